import { tmpdir } from 'node:os';
import { addIndex } from '../../packages/anneal/src/domains/database/remedies/add-index.ts';
import { openLedger } from '../../packages/anneal/src/ledger/open-ledger.ts';
import type { Outside } from '../../packages/anneal/src/ports/outside.ts';
import { silentProgress } from '../../packages/anneal/src/ports/progress.ts';
import { databaseName } from '../../packages/anneal/src/target/database-url.ts';
import type { Target } from '../../packages/anneal/src/target/target.ts';
import { openArms, type TrialContext } from '../../packages/anneal/src/trial/arms.ts';
import { databaseIdentity, sessionName } from '../../packages/anneal/src/trial/database-copies.ts';
import type { LedgerEvent } from '../../packages/anneal/src/trial/events.ts';
import { underIntent } from '../../packages/anneal/src/trial/intent.ts';

/** The table that the trial puts an index on. */
export const schema =
  'CREATE TABLE comments (id int PRIMARY KEY, post_id int NOT NULL); INSERT INTO comments SELECT i, i % 10 FROM generate_series(1, 100) i';

export const plan = {
  index: { schema: 'public', table: 'comments', keys: ['post_id'], method: 'btree', include: [], predicate: null },
  name: 'anneal_comments_post_id',
  statementIds: [],
  extension: null,
  extensionWasPresent: false,
};

export interface MiniatureTrial {
  readonly databaseUrl: string;
  readonly ledgerPath: string;
  readonly run: string;
  /** Put into the environment of every process it starts, so that none can be missed. */
  readonly mark: string;
}

/**
 * Everything a real trial does to the outside world, without the load: two copies, two processes, a change on an
 * arm, the same change on the target itself, kept; and the end of the run.
 */
export async function runMiniatureTrial(outside: Outside, { databaseUrl, ledgerPath, run, mark }: MiniatureTrial): Promise<void> {
  await using ledger = await openLedger<LedgerEvent>(outside, ledgerPath);
  const name = databaseName(databaseUrl)!;
  const target = tinyBackend(databaseUrl, mark);
  const context: TrialContext = { outside, ledger, run, target, signal: new AbortController().signal, progress: silentProgress };
  const connect = () => outside.databases.connect(databaseUrl, { applicationName: sessionName(run), readOnly: false });
  {
    await using sql = await connect();
    const database = { name, identity: await databaseIdentity(sql) };
    await ledger.append(run, { type: 'run-opened', command: 'optimize', target: target.name, database, workload: null });
  }
  const change = { trialId: `${run}-1`, remedyId: addIndex.id, plan };
  {
    await using arms = await openArms(context, { baseDatabase: name, roles: ['baseline', 'candidate'], withAgent: false });
    const { sql } = arms.get('candidate');
    await underIntent(context, { kind: 'apply', where: 'arm', ...change }, () => addIndex.apply(plan, { sql, agent: null }));
  }
  {
    await using sql = await connect();
    await underIntent(context, { kind: 'apply', where: 'target', ...change }, () => addIndex.apply(plan, { sql, agent: null }));
    await ledger.append(run, { type: 'kept', ...change, description: addIndex.describe(plan) });
  }
  await ledger.append(run, { type: 'run-closed', outcome: 'kept 1' });
}

function tinyBackend(databaseUrl: string, mark: string): Target {
  return {
    name: 'tiny',
    startCommand: `exec "${process.execPath}" -e "$SCRIPT"`,
    workingDirectory: tmpdir(),
    env: {
      ANNEAL_TEST_MARK: mark,
      NODE_OPTIONS: '',
      SCRIPT: `require('node:http').createServer((_request, response) => response.end('ready')).listen(process.env.PORT, '127.0.0.1')`,
    },
    portVariable: 'PORT',
    readyPath: '/',
    readyTimeoutMs: 20_000,
    database: { url: databaseUrl, urlVariable: 'DATABASE_URL', allowRemoteChange: false },
  };
}
