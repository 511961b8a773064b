import type { Json } from '../remedy/remedy.ts';
import type { MetricId } from '../prediction/prediction.ts';
import type { RunningElsewhere, Target } from '../target/target.ts';
import type { TriedChange } from './planned-change.ts';

/** A change that somebody brought, ready for the candidate arm: where it runs from, in what environment, on what data. */
export interface OwnChange {
  readonly title: string;
  /** What a person does to keep it, once it is proven. */
  readonly lasting: string;
  /** Facts for ledger and report; no value of a secret. */
  readonly plan: Json;
  /** The folder it runs from; null where that is the baseline's. */
  readonly workingDirectory: string | null;
  readonly env: Readonly<Record<string, string>>;
  /** Run one after the other on the candidate's copy of the database, before the backend starts. */
  readonly sql: readonly string[];
  /** Where somebody else runs the changed backend already. */
  readonly running: RunningElsewhere | null;
  readonly metric: MetricId;
  readonly reservations: readonly string[];
}

/** One change whatever it is made of: a patch, an environment and SQL that belong together are proven together. */
export function ownChange(id: string, change: OwnChange): TriedChange {
  const { title, lasting, plan, workingDirectory, env, sql, running, metric, reservations } = change;
  let grownBytes = 0;
  let buildMs = 0;
  return {
    id,
    findings: [],
    remedy: {
      id: 'own/change',
      scope: 'launch',
      effort: 'restart',
      launch: (_plan, target): Target => ({
        ...target,
        workingDirectory: workingDirectory ?? target.workingDirectory,
        env: { ...target.env, ...env },
        ...(running === null ? {} : { running }),
      }),
      async apply(_plan, context) {
        if (sql.length === 0) return;
        const options = { timeoutMs: 0, ...(context.signal === undefined ? {} : { signal: context.signal }) };
        const size = async () =>
          Number((await context.sql!.query<{ bytes: string }>('SELECT pg_database_size(current_database()) AS bytes')).rows[0]!.bytes);
        const before = await size();
        const startedMs = performance.now();
        for (const statement of sql) await context.sql!.query(statement, [], options);
        buildMs = performance.now() - startedMs;
        grownBytes = Math.max((await size()) - before, 0);
      },
      cost: async () => ({ diskBytes: grownBytes, buildMs: Math.round(buildMs), memoryBytes: 0, connections: 0 }),
    },
    scope: 'launch',
    plan,
    metric,
    prediction: null,
    description: { title, sql: null, lasting, reservations },
    touched: null,
  };
}
