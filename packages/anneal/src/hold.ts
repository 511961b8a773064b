import { domains } from './domains/index.ts';
import { AnnealError } from './errors.ts';
import type { LedgerPlace } from './history.ts';
import { openLedger, readLedger } from './ledger/open-ledger.ts';
import type { Sql } from './ports/sql.ts';
import { holdSocketPath, ledgerPath, runId, type RunOptions } from './run.ts';
import { databaseName } from './target/database-url.ts';
import { schemaKnowledge } from './target/schema-knowledge.ts';
import { databaseIdentity, sessionName } from './trial/database-copies.ts';
import { provenPolicies, type Entries, type LedgerEvent, type ProvenPolicy } from './trial/events.ts';
import { PolicyHolder, type HeldOutcome, type PolicyToHold } from './trial/held-policies.ts';

const remedies = domains.flatMap((domain) => domain.remedies);

export interface HoldOptions extends RunOptions {
  /** Trials by id; none: all policies that the latest `optimize` proved. */
  readonly ids: readonly string[];
  /** Default: `hold.sock` beside the ledger. */
  readonly socketPath?: string;
  /** Null: until it is interrupted. */
  readonly durationMs: number | null;
  /** Told once it listens. */
  readonly onListening?: (socketPath: string) => void;
}

/** How often it is looked whether a policy was rolled back: a look at the length of one file. */
const ledgerEveryMs = 100;
const lookEveryMs = 1_000;

/** The schema is read again after at least a second, and after twenty times as long as reading it took: at most a twentieth of one of the server's cores. */
const schemaEveryMs = 1_000;
const schemaRestFactor = 20;

/**
 * Keeps proven policies in force in every process that was started with ANNEAL_HOLD naming the socket, until interrupted, until
 * the time given is over, or until all of them ended. It starts and stops nothing, and the processes need it for nothing: they go
 * on without policies when it is gone.
 *
 * Throws ANNEAL_HOLD_NOTHING, ANNEAL_TRIAL_UNKNOWN, ANNEAL_CONFIG_MISSING, ANNEAL_HOLD_SOCKET, ANNEAL_LEDGER_BROKEN and why the
 * database cannot be reached.
 */
export async function holdPolicies(place: LedgerPlace, options: HoldOptions): Promise<readonly HeldOutcome[]> {
  const { outside, progress, signal } = options;
  const { databaseUrl, outputFolder } = place;
  const socketPath = options.socketPath ?? holdSocketPath(outputFolder);
  const id = runId(outside.clock.now());
  const path = ledgerPath(outputFolder);
  const chosen = choose(await readLedger<LedgerEvent>(outside.files, path), options.ids);
  await using watch = await SchemaWatch.open(chosen, databaseUrl, () => connect(options, databaseUrl!, id));
  for (const { policy, reason } of watch.unfit) progress.note(`${policy.description.title}: not held: ${reason}`, 'warning');
  const policies = watch.fit.map(toHold);
  if (policies.length === 0) throw new AnnealError('ANNEAL_HOLD_NOTHING', { problem: watch.unfit.map(({ reason }) => reason).join('; ') });

  const journal = new Journal(options, path, id);
  const endsAtMs = options.durationMs === null ? null : outside.clock.monotonicMs() + options.durationMs;
  const leftMs = () => (endsAtMs === null ? null : Math.max(endsAtMs - outside.clock.monotonicMs(), 0));
  const holder = new PolicyHolder(policies, {
    changes: outside.changes,
    clock: outside.clock,
    databaseUrl,
    sql: () => watch.sql,
    leftMs,
    tell: (sentence, level) => progress.note(sentence, level),
    // What answered wrongly once is not held again before it was proven again.
    endedByItself: ({ trialId }, reason) => journal.note([{ type: 'rolled-back', trialId, reason }]),
  });
  await using _attendance = await outside.attendance.attend(socketPath, (agent, gone) => holder.came(agent, gone));
  const identity = (await outside.processes.identify(process.pid))!;
  await journal.note([
    { type: 'run-opened', command: 'hold', target: 'whoever comes', database: watch.database, workload: null },
    ...policies.map(({ trialId }) => ({ type: 'held', trialId, holder: identity }) as const),
    // Nothing of it outlives the process: there is nothing that an interrupted run would leave to recover.
    { type: 'run-closed', outcome: 'begun' },
  ]);
  const titles = policies.map(({ title }) => title).join('; ');
  progress.stage(`Holding for processes started with ANNEAL_HOLD=${socketPath} node --import @anneal/agent ...: ${titles}`);
  options.onListening?.(socketPath);

  const rolledBack = new RolledBack(options, path);
  const due = { look: 0, schema: 0 };
  const lookAtSchema = async (beganMs: number) => {
    const { doubt, changed } = await watch.look();
    const nowMs = outside.clock.monotonicMs();
    due.schema = nowMs + Math.max(schemaEveryMs, schemaRestFactor * (nowMs - beganMs));
    for (const { trialId } of changed) void holder.end(trialId, schemaChanged);
    await holder.doubt(doubt);
  };
  try {
    while (holder.holdsAny && leftMs() !== 0) {
      await outside.clock.sleep(Math.min(ledgerEveryMs, leftMs() ?? ledgerEveryMs), signal);
      for (const { trialId, reason } of await rolledBack.since()) void holder.end(trialId, reason);
      const nowMs = outside.clock.monotonicMs();
      if (nowMs >= due.look) {
        due.look = nowMs + lookEveryMs;
        // An agent that is slow to answer must not be in the way of an end.
        void holder.look();
        await journal.note([]);
      }
      if (nowMs >= due.schema && watch.isNeeded) {
        due.schema = Number.POSITIVE_INFINITY;
        void lookAtSchema(nowMs);
      }
    }
  } catch (error) {
    // Being interrupted is how holding ends.
    if (!signal.aborted) {
      await holder.release();
      throw error;
    }
  }
  progress.stage('Letting go');
  const outcomes = await holder.release();
  await journal.note([
    ...outcomes.map(({ trialId, ended }) => ({ type: 'released', trialId, reason: ended ?? 'let go' }) as const),
    { type: 'run-closed', outcome: 'done' },
  ]);
  if (journal.waits !== null) progress.note(`what happened at the end could not be written down: ${journal.waits}`, 'warning');
  return outcomes;
}

const schemaChanged = 'the schema of the database is not the one it was proven on any more';

function choose(entries: Entries, ids: readonly string[]): readonly ProvenPolicy[] {
  const proven = provenPolicies(entries);
  if (ids.length > 0) {
    return ids.map((id) => {
      const found = proven.find(({ trialId }) => trialId === id);
      if (found === undefined) throw new AnnealError('ANNEAL_TRIAL_UNKNOWN', { id });
      return found;
    });
  }
  const isLatest = ({ event }: Entries[number]) => event.type === 'run-opened' && ['optimize', 'demo'].includes(event.command);
  const latest = entries.findLast(isLatest)?.run;
  const chosen = proven.filter(({ run }) => run === latest);
  if (chosen.length > 0) return chosen;
  const older =
    proven.length === 0
      ? 'none is proven'
      : `the latest run proved none; earlier ones are ${proven.map(({ trialId }) => trialId).join(', ')}`;
  throw new AnnealError('ANNEAL_HOLD_NOTHING', { problem: older });
}

function toHold({ trialId, remedyId, plan, description }: ProvenPolicy): PolicyToHold {
  const remedy = remedies.find(({ id }) => id === remedyId);
  if (remedy === undefined) throw new AnnealError('ANNEAL_HOLD_NOTHING', { problem: `no remedy named ${remedyId} is known here` });
  return { trialId, title: description.title, remedy, plan };
}

function connect({ outside }: RunOptions, url: string, run: string): Promise<Sql> {
  return outside.databases.connect(url, { applicationName: sessionName(run), readOnly: true });
}

/**
 * What is held, in the ledger. It is locked only while something is written, so that others work with it meanwhile; what cannot be
 * written because one of them does waits until they are done, and nothing waits for it.
 */
class Journal {
  readonly #options: RunOptions;
  readonly #path: string;
  readonly #run: string;
  #unwritten: LedgerEvent[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** Why something is not written yet; null: all is. */
  waits: string | null = null;

  constructor(options: RunOptions, path: string, run: string) {
    this.#options = options;
    this.#path = path;
    this.#run = run;
  }

  note(events: readonly LedgerEvent[]): Promise<void> {
    this.#unwritten.push(...events);
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write(): Promise<void> {
    if (this.#unwritten.length === 0) return;
    try {
      await using ledger = await openLedger<LedgerEvent>(this.#options.outside, this.#path);
      for (let next = this.#unwritten[0]; next !== undefined; next = this.#unwritten[0]) {
        await ledger.append(this.#run, next);
        this.#unwritten.shift();
      }
      this.waits = null;
    } catch (error) {
      this.waits = error instanceof Error ? error.message : String(error);
    }
  }
}

/** What `anneal rollback` takes back while it is held. */
class RolledBack {
  readonly #options: RunOptions;
  readonly #path: string;
  #sizeBytes: number | null = null;
  #read = 0;

  constructor(options: RunOptions, path: string) {
    this.#options = options;
    this.#path = path;
  }

  async since(): Promise<readonly { readonly trialId: string; readonly reason: string }[]> {
    const { files } = this.#options.outside;
    const sizeBytes = await files.sizeBytes(this.#path);
    if (sizeBytes === this.#sizeBytes) return [];
    this.#sizeBytes = sizeBytes;
    const entries = await readLedger<LedgerEvent>(files, this.#path);
    const fresh = entries.slice(this.#read);
    this.#read = entries.length;
    return fresh.flatMap(({ event }) => (event.type === 'rolled-back' ? [{ trialId: event.trialId, reason: event.reason }] : []));
  }
}

/** Whether the database still is what the policies that rest on its schema were proven on. */
class SchemaWatch implements AsyncDisposable {
  readonly fit: readonly ProvenPolicy[];
  readonly unfit: readonly { readonly policy: ProvenPolicy; readonly reason: string }[];
  readonly database: { readonly name: string; readonly identity: string | null } | null;
  readonly #reconnect: () => Promise<Sql>;
  #sql: Sql | null;

  private constructor(judged: Pick<SchemaWatch, 'fit' | 'unfit' | 'database'>, sql: Sql | null, reconnect: () => Promise<Sql>) {
    this.fit = judged.fit;
    this.unfit = judged.unfit;
    this.database = judged.database;
    this.#sql = sql;
    this.#reconnect = reconnect;
  }

  static async open(chosen: readonly ProvenPolicy[], url: string | null, reconnect: () => Promise<Sql>): Promise<SchemaWatch> {
    if (!chosen.some(restsOnSchema)) return new SchemaWatch({ fit: chosen, unfit: [], database: null }, null, reconnect);
    if (url === null)
      throw new AnnealError('ANNEAL_CONFIG_MISSING', { problem: 'the policies rest on a database, and none is configured' });
    const sql = await reconnect();
    try {
      const now = await schemaKnowledge(sql);
      const isFit = (policy: ProvenPolicy) => !restsOnSchema(policy) || policy.schema === now;
      const unfit = chosen
        .filter((policy) => !isFit(policy))
        .map((policy) => ({ policy, reason: `${schemaChanged}: prove it again with \`anneal optimize\`` }));
      const database = { name: databaseName(url) ?? '', identity: await databaseIdentity(sql) };
      return new SchemaWatch({ fit: chosen.filter(isFit), unfit, database }, sql, reconnect);
    } catch (error) {
      await sql.close();
      throw error;
    }
  }

  get sql(): Sql | null {
    return this.#sql;
  }

  get isNeeded(): boolean {
    return this.fit.some(restsOnSchema);
  }

  /** Never rejects: a database that cannot be asked is a doubt. */
  async look(): Promise<{ readonly doubt: string | null; readonly changed: readonly ProvenPolicy[] }> {
    try {
      this.#sql ??= await this.#reconnect();
      const now = await schemaKnowledge(this.#sql);
      const changed = this.fit.filter((policy) => restsOnSchema(policy) && policy.schema !== now);
      return { doubt: null, changed };
    } catch (error) {
      await this.#sql?.close().catch(() => undefined);
      this.#sql = null;
      const problem = error instanceof Error ? error.message : String(error);
      return { doubt: `the database cannot be asked whether its schema is the same: ${problem}`, changed: [] };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sql?.close().catch(() => undefined);
  }
}

function restsOnSchema({ remedyId }: ProvenPolicy): boolean {
  return remedies.find(({ id }) => id === remedyId)?.restsOnSchema === true;
}
