import { createHash } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { readPolicies, type Policy } from '@anneal/agent/protocol';
import type { Settings } from './config.ts';
import { AnnealError } from './errors.ts';
import { announce, observe, prove, resultsOf } from './loop.ts';
import type { Outside } from './ports/outside.ts';
import type { WorkingTree } from './ports/workspaces.ts';
import type { Measurement } from './measurement/measurement.ts';
import type { MetricId } from './prediction/prediction.ts';
import type { Json } from './remedy/remedy.ts';
import { assemble } from './report/assemble.ts';
import type { Assessment } from './report/assessment.ts';
import { counted } from './report/format.ts';
import { capital } from './report/story.ts';
import { inRun, type Run, type RunOptions } from './run.ts';
import { attachTarget } from './target/launch.ts';
import { assertOurs } from './trial/database-copies.ts';
import { otherProcessesIn, whyNoPolicy } from './trial/one-process.ts';
import { ownChange } from './trial/own-change.ts';
import { ownPolicies } from './trial/own-policy.ts';
import { sqlStatements } from './trial/sql-statements.ts';
import { copyTree, patchedWorkingDirectory } from './trial/tree-copy.ts';

/**
 * What the candidate has and the baseline has not. Parts that are given together are one change. Texts are texts, not
 * paths; nothing of it is applied to anything but copies.
 */
export interface ChangeToTry {
  /** A unified diff against the working tree as it is now, as `git diff` writes it. */
  readonly patch?: string;
  /** A folder that stands in for the target's working directory. */
  readonly worktree?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Statements for the candidate's copy of the database. */
  readonly sql?: string;
  /** Policies in force on the candidate, as JSON: one, or `{ "policies": [...] }`, as ANNEAL_POLICIES takes them. Excludes everything else. */
  readonly policies?: string;
  /** Two servers that run already, the second with the change. Excludes everything else. */
  readonly servers?: { readonly a: Server; readonly b: Server };
}

export interface Server {
  readonly url: string;
  /** Its process on this machine; without it no CPU time and no memory are measured. */
  readonly pid?: number;
}

export interface TryOptions extends RunOptions {
  /** What decides, fixed before anything is measured; default: see `defaultMetric`. */
  readonly metric?: MetricId;
  /** Lets the workload write to the data of `servers`. */
  readonly mayWrite?: boolean;
}

/**
 * measure -> try -> report, for a change that somebody brought: two arms, the same traffic, the noise floor, answers
 * compared. Nothing is applied: its copies are gone when this returns, whatever the verdict.
 *
 * Throws ANNEAL_USAGE, ANNEAL_POLICY_INVALID, ANNEAL_POLICY_REFUSED, ANNEAL_POLICY_IN_CLUSTER, ANNEAL_NO_WORKING_TREE, ANNEAL_PATCH_UNUSABLE, ANNEAL_WORKTREE_MISSING, ANNEAL_WORKSPACE_TOO_LARGE,
 * ANNEAL_CHANGE_BREAKS_TARGET, and what measuring and trying throw.
 */
export async function tryOwnChange(given: Settings, change: ChangeToTry, options: TryOptions): Promise<Assessment> {
  refuseSenseless(given, change);
  const policies = policiesIn(change);
  const settings = change.servers === undefined ? given : onServers(given, change.servers, options.mayWrite ?? false);
  if (settings.target.database !== null) assertOurs(settings.target.database);
  if (change.servers !== undefined) await assertAnswering(settings, change.servers, options);
  const tree = await sourceOf(settings, change, options.outside);
  return inRun('try', settings, options, async (opened) => {
    await using place = await openPlace(opened, change, tree);
    const run: Run = { ...opened, settings: place.settings };
    const observed = await observe(run);
    if (policies !== null) {
      refuseCluster(observed.measurement);
      refuseUnknownPools(policies, observed.measurement);
    }
    const id = `${run.id}-1`;
    const tried =
      policies === null
        ? ownChange(id, {
            ...described(change),
            workingDirectory: place.candidateFolder,
            env: change.env ?? {},
            sql: statementsOf(change),
            running: change.servers === undefined ? null : runningAt(change.servers.b),
            metric: options.metric ?? defaultMetric(change),
          })
        : ownPolicies(id, policies, { metric: options.metric, measurement: observed.measurement });
    await announce(run, tried);
    const proven = await prove(run, observed, { changes: [tried] });
    return assemble({ ...resultsOf(run, observed), ...proven, changes: [tried], domains: [] });
  });
}

function refuseCluster(measurement: Measurement): void {
  const problem = whyNoPolicy(otherProcessesIn(measurement));
  if (problem !== null) throw new AnnealError('ANNEAL_POLICY_IN_CLUSTER', { problem });
}

/** A pool's name is known once it was seen; told before the arms are compared for minutes. */
function refuseUnknownPools(policies: readonly Policy[], { observations }: Measurement): void {
  const pools = (observations['agent.pools'] ?? []).map(({ name }) => name);
  const unknown = policies.flatMap((policy) => ('pool' in policy && !pools.includes(policy.pool) ? [policy.pool] : []))[0];
  if (unknown === undefined) return;
  const wanted =
    pools.length === 0 ? 'the backend made no pool that the agent knows (node-postgres)' : `pools that were seen: ${pools.join(', ')}`;
  throw new AnnealError('ANNEAL_POLICY_INVALID', { problem: `there is no pool named "${unknown}"`, wanted });
}

/** Null where there are none. Throws ANNEAL_POLICY_INVALID. */
function policiesIn({ policies }: ChangeToTry): readonly Policy[] | null {
  if (policies === undefined) return null;
  let value: unknown;
  try {
    value = JSON.parse(policies);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new AnnealError('ANNEAL_POLICY_INVALID', {
      problem: `it is no JSON: ${problem}`,
      wanted: 'docs/how-to/limit-overload.md shows one',
    });
  }
  const read = readPolicies(value);
  if ('problem' in read) throw new AnnealError('ANNEAL_POLICY_INVALID', { problem: read.problem, wanted: read.wanted });
  return read;
}

/**
 * CPU time per request is the quietest cost there is, so a change of code is decided by it; SQL alone is no work of the
 * process. A server that nobody named a process of shows nothing but latency, whose middle is its quietest part.
 */
function defaultMetric({ patch, worktree, env, servers }: ChangeToTry): MetricId {
  if (servers !== undefined) return servers.a.pid === undefined || servers.b.pid === undefined ? 'latency.p50' : 'cpu.time';
  return patch === undefined && worktree === undefined && env === undefined ? 'database.time' : 'cpu.time';
}

function refuseSenseless({ target }: Settings, change: ChangeToTry): void {
  const refuse = (problem: string) => new AnnealError('ANNEAL_USAGE', { problem, command: 'try' });
  const { patch, worktree, env, sql, policies, servers } = change;
  const parts = [patch, worktree, env, sql].filter((part) => part !== undefined).length;
  if (parts === 0 && servers === undefined && policies === undefined)
    throw refuse('there is no change to try: give --patch, --worktree, --env, --sql, --policy, or --url-a and --url-b');
  if (policies !== undefined && (parts > 0 || servers !== undefined))
    throw refuse('a policy is tried by itself: keep the rest of the change first');
  if (policies !== undefined && target.traces !== undefined)
    throw refuse('policies are carried out by the agent, which is not there where traces are read in its place (--otlp)');
  if (parts > 0 && servers !== undefined)
    throw refuse('two servers that run already are compared as they are: leave out --patch, --worktree, --env and --sql');
  if (patch !== undefined && worktree !== undefined) throw refuse('give either --patch or --worktree: apply the patch in that folder');
  if (sql !== undefined && target.database === null) throw refuse('--sql needs a database: set DATABASE_URL or `database.url`');
  if (sql !== undefined && sqlStatements(sql).length === 0) throw refuse('the SQL holds no statement');
  const ours = [target.portVariable, target.database?.urlVariable, 'ANNEAL_SOCKET'].find(
    (name) => name !== undefined && name in (env ?? {}),
  );
  if (ours !== undefined) throw refuse(`${ours} is set by Anneal for each arm and cannot be part of the change`);
}

/** The database is left out: whose it is, and whether both use the same, cannot be told from outside. */
function onServers(settings: Settings, { a }: NonNullable<ChangeToTry['servers']>, mayWrite: boolean): Settings {
  const target = { ...settings.target, database: null, running: runningAt(a) };
  return { ...settings, target, attachUrl: a.url, attachMayWrite: mayWrite };
}

function runningAt({ url, pid }: Server) {
  return { url, pid: pid ?? null };
}

/** Asked before minutes are spent on the first that the second then does not answer. */
async function assertAnswering(
  { target }: Settings,
  { a, b }: NonNullable<ChangeToTry['servers']>,
  { outside, signal }: TryOptions,
): Promise<void> {
  for (const server of [a, b]) {
    await attachTarget(target, runningAt(server), signal);
    if (server.pid !== undefined && (await outside.processes.usage(server.pid)) === null)
      throw new AnnealError('ANNEAL_USAGE', { problem: `no process ${server.pid} of this machine can be read`, command: 'try' });
  }
}

/** What the copies will be made of; null where none are needed. Looks only. */
async function sourceOf(
  { target }: Settings,
  { patch, worktree }: ChangeToTry,
  { files, workspaces }: Outside,
): Promise<WorkingTree | null> {
  if (worktree !== undefined) {
    const path = resolve(worktree);
    const isFolder = await files.list(path).then(
      () => true,
      () => false,
    );
    if (!isFolder) throw new AnnealError('ANNEAL_WORKTREE_MISSING', { path });
  }
  if (patch === undefined) return null;
  const tree = await workspaces.treeOf(target.workingDirectory);
  if (tree === null) throw new AnnealError('ANNEAL_NO_WORKING_TREE', { path: target.workingDirectory });
  return tree;
}

/** Where the arms run from. */
interface Place extends AsyncDisposable {
  readonly settings: Settings;
  /** Null where the candidate runs from the baseline's folder. */
  readonly candidateFolder: string | null;
}

/** For a patch both arms run from copies, the candidate's made from the baseline's. */
async function openPlace(run: Run, { patch, worktree }: ChangeToTry, tree: WorkingTree | null): Promise<Place> {
  const { settings } = run;
  if (patch === undefined || tree === null) {
    return { settings, candidateFolder: worktree === undefined ? null : resolve(worktree), async [Symbol.asyncDispose]() {} };
  }
  const request = { tree, folder: run.folder, leaveOut: [settings.outputFolder] };
  const copy = await copyTree({ ...run, run: run.id }, request);
  const candidate = await copy.withPatch('candidate', patch).catch(async (error: unknown) => {
    await copy[Symbol.asyncDispose]();
    throw error;
  });
  return {
    settings: { ...settings, target: { ...settings.target, workingDirectory: copy.workingDirectory } },
    candidateFolder: patchedWorkingDirectory(request, 'candidate'),
    async [Symbol.asyncDispose]() {
      // Both are attempted; what is left stays in the ledger for `recover`.
      await Promise.all([candidate, copy].map((opened) => opened[Symbol.asyncDispose]()));
    },
  };
}

function statementsOf({ sql }: ChangeToTry): readonly string[] {
  return sql === undefined ? [] : sqlStatements(sql);
}

interface Described {
  readonly title: string;
  readonly lasting: string;
  readonly plan: Json;
  readonly reservations: readonly string[];
}

function described(change: ChangeToTry): Described {
  const { patch, worktree, env, servers } = change;
  const statements = statementsOf(change);
  const parts: { readonly name: string; readonly lasting: string; readonly plan: Readonly<Record<string, Json>> }[] = [];
  if (patch !== undefined) {
    const files = filesOf(patch);
    const name = files.length === 1 ? `patch of ${files[0]!}` : `patch of ${counted(files.length, 'file')}`;
    parts.push({ name, lasting: 'apply the patch (`git apply`)', plan: { patch: { files, sha256: hashOf(patch) } } });
  }
  if (worktree !== undefined) {
    const folder = basename(resolve(worktree));
    parts.push({ name: `the folder ${folder}`, lasting: `take over what is in the folder ${folder}`, plan: { worktree: folder } });
  }
  if (env !== undefined) {
    const shown = Object.entries(env).map(([name, value]) => shownVariable(name, value));
    parts.push({ name: shown.join(' '), lasting: `set ${shown.join(' ')} where the backend is started`, plan: { env: shown } });
  }
  if (statements.length > 0) {
    const name = counted(statements.length, 'statement of SQL', 'statements of SQL');
    parts.push({
      name,
      lasting: 'run the SQL on the database',
      plan: { sql: { statements: statements.length, sha256: hashOf(statements.join(';\n')) } },
    });
  }
  if (servers !== undefined) {
    const [a, b] = [originOf(servers.a.url), originOf(servers.b.url)];
    parts.push({ name: `${b} instead of ${a}`, lasting: `run what runs at ${b}`, plan: { servers: { a, b } } });
  }
  const title = parts.map(({ name }) => name).join(' with ');
  return {
    title: capital(title),
    lasting: `The change is yours to keep: ${parts.map(({ lasting }) => lasting).join(', and ')}.`,
    plan: Object.assign({}, ...parts.map(({ plan }) => plan)) as Json,
    reservations: servers === undefined ? [] : aboutServers(servers),
  };
}

function aboutServers({ a }: NonNullable<ChangeToTry['servers']>): readonly string[] {
  return [
    `Both servers ran before Anneal came and are not known to be set up alike: what differs between them, code, data, machine or warmth, is credited to the change.`,
    `The noise floor compares the server at ${originOf(a.url)} with itself: what two processes of the same code differ by is not in it, and nothing was confirmed in fresh processes.`,
  ];
}

/** Without user, password and query. */
function originOf(url: string): string {
  return new URL(url).origin;
}

/** Paths of the files a diff touches, as it writes them. */
function filesOf(patch: string): readonly string[] {
  const names = [...patch.matchAll(/^(?:---|\+\+\+) (?:[ab]\/)?([^\t\n]+)/gm)]
    .map(([, name]) => name!.trim())
    .filter((name) => name !== '/dev/null');
  return [...new Set(names)];
}

/** A setting is shown; what may be a credential, by its name or because it is more than a short word or number, is not. */
function shownVariable(name: string, value: string): string {
  const isPlain =
    /^[\w.,:-]{0,24}$/.test(value) && !/token|pass|pwd|secret|auth|credential|cookie|session|signature|key|jwt|dsn/i.test(name);
  return `${name}=${isPlain ? value : '…'}`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
