import type { Finding } from '../../../finding/finding.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import { qualifiedName } from '../../../ports/index-sql.ts';
import type { Sql } from '../../../ports/sql.ts';
import { chosenBy, type Refused } from '../../../remedy/choice.ts';
import { defineRemedy, type PlanningContext, type Presence, type Remedy } from '../../../remedy/remedy.ts';
import { nameFor } from '../checks/check.ts';
import {
  type ColumnGroupStatistics,
  createStatisticsSql,
  type ListedColumn,
  mayListCombinations,
  statisticsTargetSql,
} from '../column-group-statistics.ts';
import { actOnCatalogue, databaseOf } from './catalogue-act.ts';

const id = 'database/extended-statistics';

/**
 * Tells the planner how columns vary together. ANALYZE fills the statistics, and with them refreshes the ordinary ones of the
 * table, as autovacuum does all the time; dropping the object takes the rest back.
 */
export const extendedStatistics: Remedy = defineRemedy<ColumnGroupStatistics>({
  id,
  title: 'Extended statistics on columns that vary together',
  addresses: ['database/correlated-columns'],
  scope: 'database',
  risk: 'low',
  effort: 'none',
  contract: 'transparent',
  ...chosenBy(choose),
  async predict(plan) {
    return {
      metric: `database.time:${plan.schema}.${plan.name}`,
      change: { point: 0, lower: -0.99, upper: 0.5, confidenceLevel: 0.95 },
      model: 'plan-cost',
      assumptions: ['an estimate that comes true may change the plan or not: what it is worth only the trial says'],
    };
  },
  inspect: (plan, context) => inspect(plan, databaseOf(context, id)),
  async apply(plan, context) {
    await actOnCatalogue(context, act(plan), async (sql) => {
      const presence = await inspect(plan, sql);
      if (presence === 'present') return;
      const options = context.signal === undefined ? {} : { signal: context.signal };
      if (presence === 'absent') await sql.query(createStatisticsSql(plan));
      context.report?.(`analysing ${plan.table}`);
      await sql.query(`ANALYZE ${qualifiedName(plan.schema, plan.table)}`, [], options);
    });
  },
  async revert(plan, context) {
    await actOnCatalogue(context, act(plan), async (sql) => {
      if ((await find(plan, sql)) !== null) await sql.query(`DROP STATISTICS IF EXISTS ${qualifiedName(plan.schema, plan.name)}`);
    });
  },
  cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: 0 }),
  touches(plan, measurement) {
    const touched = readersOf(plan, measurement);
    return {
      statementIds: touched.map((statement) => statement.id),
      routes: [...new Set(touched.flatMap(({ routes }) => routes))],
      writtenTables: [],
    };
  },
  describe: (plan) => ({
    title: `Extended statistics on ${plan.table} (${plan.columns.join(', ')})`,
    sql: {
      up: `${createStatisticsSql(plan)};\nANALYZE ${qualifiedName(plan.schema, plan.table)};`,
      down: `DROP STATISTICS IF EXISTS ${qualifiedName(plan.schema, plan.name)};`,
    },
    lasting: null,
  }),
});

/** The object if it is the planned one, and whether ANALYZE has filled it. */
async function find({ schema, table, columns, name }: ColumnGroupStatistics, sql: Sql): Promise<{ readonly filled: boolean } | null> {
  const { rows } = await sql.query<{ filled: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_stats_ext x WHERE x.statistics_schemaname = n.nspname AND x.statistics_name = e.stxname
                       AND coalesce(x.n_distinct::text, x.dependencies::text) IS NOT NULL) AS filled
       FROM pg_statistic_ext e
       JOIN pg_namespace n ON n.oid = e.stxnamespace
       JOIN pg_class c ON c.oid = e.stxrelid
       JOIN pg_namespace tn ON tn.oid = c.relnamespace
      WHERE n.nspname = $1 AND e.stxname = $2 AND tn.nspname = $1 AND c.relname = $3
        AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (e.stxkeys))
            = (SELECT array_agg(k ORDER BY k) FROM unnest($4::text[]) k)`,
    [schema, name, table, [...columns]],
  );
  return rows[0] ?? null;
}

async function inspect(plan: ColumnGroupStatistics, sql: Sql): Promise<Presence> {
  const found = await find(plan, sql);
  if (found === null) return 'absent';
  return found.filled ? 'present' : 'partial';
}

function act({ schema, table, name }: ColumnGroupStatistics) {
  return {
    remedy: id,
    action: `change the statistics ${name} of ${qualifiedName(schema, table)}`,
    table: { schema, name: table },
    privilegeHint: 'only the owner of a table may give it statistics: connect as the owner',
  };
}

/** `schema.table (a, b)`, as the finding names its object. */
async function choose({ subject }: Finding, { sql, measurement }: PlanningContext): Promise<ColumnGroupStatistics | Refused> {
  const named = subject.kind === 'object' ? /^(?<table>.+) \((?<columns>.+)\)$/su.exec(subject.name)?.groups : undefined;
  if (sql === null || named === undefined) return { refused: 'the finding names no columns of a table' };
  const columns = [...named['columns']!.matchAll(/"(?:[^"]|"")+"|[^,\s]+/gu)].map(([word]) =>
    word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word,
  );
  const { rows } = await sql.query<ListedColumn & { readonly schema: string; readonly table: string; readonly rows: number }>(
    `SELECT n.nspname::text AS schema, c.relname::text AS "table", c.reltuples::float8 AS rows,
            coalesce(s.n_distinct, 0)::float8 AS "distinct", ${statisticsTargetSql} AS "statisticsTarget"
       FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY ($2)
       LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
      WHERE c.oid = to_regclass($1)`,
    [named['table'], columns],
  );
  const [found] = rows;
  if (found === undefined || rows.length < columns.length)
    return { refused: `${subject.kind === 'object' ? subject.name : ''} does not exist: the schema has changed` };
  const plan: ColumnGroupStatistics = {
    schema: found.schema,
    table: found.table,
    columns,
    name: nameFor(['anneal', found.table, ...columns], 'stat'),
    mcv: mayListCombinations(rows, found.rows),
  };
  return readersOf(plan, measurement).length > 0 ? plan : { refused: 'no statement of this traffic compares those columns together' };
}

/** Statements that read the table and compare at least two of the columns. */
function readersOf({ schema, table, columns }: ColumnGroupStatistics, { observations }: Measurement) {
  return (observations['postgres.statements'] ?? []).filter(({ tables, shape }) => {
    const compared = new Set((shape?.predicates ?? []).map(({ column }) => column));
    return (
      tables.some((name) => name === table || name === `${schema}.${table}`) && columns.filter((column) => compared.has(column)).length > 1
    );
  });
}
