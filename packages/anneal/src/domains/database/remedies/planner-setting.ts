import type { Finding } from '../../../finding/finding.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import { quoteIdentifier, quoteLiteral } from '../../../ports/index-sql.ts';
import type { Sql } from '../../../ports/sql.ts';
import { chosenBy, type Refused } from '../../../remedy/choice.ts';
import { defineRemedy, type PlanningContext, type Presence, type Remedy } from '../../../remedy/remedy.ts';
import { actOnCatalogue, databaseOf } from './catalogue-act.ts';

const id = 'database/planner-setting';

export type PlannerSettingPlan = {
  readonly name: string;
  readonly value: string;
  /** What ALTER DATABASE had set before; null where it had set nothing. */
  readonly before: string | null;
  /** Statements it is for; empty where it steers every plan. */
  readonly statementIds: readonly string[];
};

/**
 * One planner or memory setting for the database, by experiment: a copy with it runs beside a copy without. It is
 * set for the database and not for the server, whose other databases nobody measured; sessions take it up when they connect.
 */
export const plannerSetting: Remedy = defineRemedy<PlannerSettingPlan>({
  id,
  title: 'Set a planner setting for the database',
  addresses: ['database/random-page-cost', 'database/jit-overhead', 'database/default-memory', 'database/spilled-sorts'],
  scope: 'database',
  risk: 'medium',
  effort: 'restart',
  contract: 'transparent',
  ...chosenBy(choose),
  async predict({ name, statementIds }) {
    return {
      metric: statementIds.length === 0 ? 'database.time' : `database.time:within ${name}`,
      change: { point: 0, lower: -0.9, upper: 1, confidenceLevel: 0.95 },
      model: 'plan-cost',
      assumptions: ['a setting moves every plan at once: nothing but the experiment says in which direction'],
    };
  },
  inspect: (plan, context) => inspect(plan, databaseOf(context, id)),
  async apply(plan, context) {
    await actOnCatalogue(context, act(plan), async (sql) => {
      if ((await inspect(plan, sql)) === 'absent') await set(sql, plan.name, plan.value);
    });
  },
  async revert(plan, context) {
    await actOnCatalogue(context, act(plan), async (sql) => {
      // What somebody else has set since is theirs.
      if ((await inspect(plan, sql)) === 'present') await set(sql, plan.name, plan.before);
    });
  },
  cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: 0 }),
  touches({ statementIds }, measurement) {
    const all = measurement.observations['postgres.statements'] ?? [];
    const statements = statementIds.length === 0 ? all : all.filter(({ id }) => statementIds.includes(id));
    return {
      statementIds: statements.map((statement) => statement.id),
      routes: [...new Set(statements.flatMap(({ routes }) => routes))],
      writtenTables: [],
    };
  },
  describe(plan) {
    const { name, value, before } = plan;
    return {
      title: `Set ${name} to ${value} for the database`,
      sql: {
        up: `-- It counts for sessions that begin from now on.\n${inDatabase(`SET ${name} = ${quoteLiteral(value)}`)}`,
        down: inDatabase(changeTo(name, before)),
      },
      lasting: null,
    };
  },
});

/** The name of the database is not part of the plan: the copy it is tried on has another one. */
function inDatabase(change: string): string {
  return `DO $anneal$ BEGIN EXECUTE format('ALTER DATABASE %I ' || ${quoteLiteral(change)}, current_database()); END $anneal$;`;
}

function changeTo(name: string, value: string | null): string {
  return value === null ? `RESET ${name}` : `SET ${name} = ${quoteLiteral(value)}`;
}

async function set(sql: Sql, name: string, value: string | null): Promise<void> {
  const { rows } = await sql.query<{ database: string }>('SELECT current_database()::text AS database');
  await sql.query(`ALTER DATABASE ${quoteIdentifier(rows[0]!.database)} ${changeTo(name, value)}`);
}

async function setFor(sql: Sql, name: string): Promise<string | null> {
  const { rows } = await sql.query<{ value: string }>(
    `SELECT substr(entry, length($1) + 2) AS value
       FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS entry
      WHERE d.datname = current_database() AND s.setrole = 0 AND starts_with(entry, $1 || '=')`,
    [name],
  );
  return rows[0]?.value ?? null;
}

async function inspect({ name, value, before }: PlannerSettingPlan, sql: Sql): Promise<Presence> {
  const now = await setFor(sql, name);
  if (now === value) return 'present';
  return now === before ? 'absent' : 'partial';
}

function act({ name }: PlannerSettingPlan) {
  return {
    remedy: id,
    action: `set ${name} for the database`,
    table: { schema: 'pg_catalog', name: 'pg_db_role_setting' },
    privilegeHint: 'only the owner of a database may give it settings: connect as the owner',
  };
}

/** Those that steer plans and the memory of one sort; every other setting is about more than this database's statements. */
const settable: ReadonlySet<string> = new Set(
  `random_page_cost seq_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost effective_cache_size work_mem hash_mem_multiplier
  jit jit_above_cost effective_io_concurrency max_parallel_workers_per_gather plan_cache_mode`.split(/\s+/u),
);

/** More memory for a sort is for the statements that spilled; the whole database's time would drown what it does for them. */
function servedBy(name: string, { observations }: Measurement): readonly string[] {
  if (name !== 'work_mem' && name !== 'hash_mem_multiplier') return [];
  return (observations['postgres.statements'] ?? []).filter(({ tempBlocksWritten }) => tempBlocksWritten > 0).map(({ id }) => id);
}

async function choose({ proposal }: Finding, { sql, measurement }: PlanningContext): Promise<PlannerSettingPlan | Refused> {
  const wanted = /\bALTER (?:DATABASE .+|SYSTEM) SET (?<name>[a-z_]+) = '?(?<value>[\w.]+)'?;/u.exec(proposal.code ?? '')?.groups;
  const [name, value] = [wanted?.['name'], wanted?.['value']];
  if (sql === null || name === undefined || value === undefined) return { refused: 'the finding names no setting with a value' };
  if (!settable.has(name)) return { refused: `${name} cannot be set for one database, or is about more than its plans` };
  const { rows } = await sql.query<{ value: string; ofRole: boolean }>(
    `SELECT current_setting($1) AS value,
            EXISTS (SELECT FROM pg_db_role_setting s, unnest(s.setconfig) AS entry
                     WHERE s.setrole <> 0 AND starts_with(entry, $1 || '=')) AS "ofRole"`,
    [name],
  );
  const [now] = rows;
  // It would win over the database's, and copies carry it as the database's own: neither side of a trial would be what it seems.
  if (now === undefined || now.ofRole) return { refused: `a role has a ${name} of its own, which wins over the database's` };
  return { name, value, before: await setFor(sql, name), statementIds: servedBy(name, measurement) };
}
