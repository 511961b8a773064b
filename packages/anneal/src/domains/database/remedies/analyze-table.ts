import type { Finding } from '../../../finding/finding.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import { qualifiedName, quoteLiteral } from '../../../ports/index-sql.ts';
import type { Sql } from '../../../ports/sql.ts';
import { chosenBy, type Refused } from '../../../remedy/choice.ts';
import { defineRemedy, type PlanningContext, type Presence, type Remedy } from '../../../remedy/remedy.ts';
import { nameFor } from '../checks/check.ts';
import { actOnCatalogue, databaseOf } from './catalogue-act.ts';

const id = 'database/analyze-table';

export type AnalyzeTablePlan = {
  readonly schema: string;
  readonly table: string;
  /** A table beside it that keeps the old statistics: they hold values, which must not leave the database. */
  readonly kept: string;
};

/**
 * Fresh statistics. The old ones are kept in a table of the same schema and come back by PostgreSQL 18's
 * pg_restore_attribute_stats and pg_restore_relation_stats (manual, 9.28.10); before 18 nothing could bring them back.
 */
export const analyzeTable: Remedy = defineRemedy<AnalyzeTablePlan>({
  id,
  title: 'Analyse a table',
  addresses: ['database/stale-statistics'],
  scope: 'database',
  risk: 'low',
  effort: 'none',
  contract: 'transparent',
  ...chosenBy(choose),
  async predict(plan) {
    return {
      metric: `database.time:${plan.schema}.${plan.table} analysed`,
      change: { point: 0, lower: -0.99, upper: 0.5, confidenceLevel: 0.95 },
      model: 'plan-cost',
      assumptions: ['an estimate that comes true may change plans or not: what it is worth only the trial says'],
    };
  },
  inspect: (plan, context) => inspect(plan, databaseOf(context, id)),
  async apply(plan, context) {
    await actOnCatalogue(context, act(plan), async (sql) => {
      const presence = await inspect(plan, sql);
      if (presence === 'present') return;
      const [keep, analyze, mark] = upSql(plan);
      if (presence === 'absent') await sql.query(keep);
      context.report?.(`analysing ${plan.table}`);
      await sql.query(analyze, [], context.signal === undefined ? {} : { signal: context.signal });
      await sql.query(mark);
    });
  },
  async revert(plan, context) {
    await actOnCatalogue(context, act(plan), async (sql) => {
      if ((await inspect(plan, sql)) === 'absent') return;
      await sql.query('BEGIN');
      try {
        for (const statement of downSql(plan)) await sql.query(statement);
        await sql.query('COMMIT');
      } catch (error) {
        await sql.query('ROLLBACK');
        throw error;
      }
    });
  },
  async cost(plan, context) {
    const { rows } = await databaseOf(context, id).query<{ bytes: number }>(
      'SELECT coalesce(pg_total_relation_size(to_regclass($1)), 0)::float8 AS bytes',
      [keptName(plan)],
    );
    return { diskBytes: rows[0]?.bytes ?? 0, buildMs: 0, memoryBytes: 0, connections: 0 };
  },
  touches(plan, measurement) {
    const touched = statementsOn(plan, measurement);
    return {
      statementIds: touched.map((statement) => statement.id),
      routes: [...new Set(touched.flatMap(({ routes }) => routes))],
      writtenTables: [],
    };
  },
  describe: (plan) => ({
    title: `Analyse ${plan.table}`,
    sql: {
      up: `-- ${plan.kept} keeps the old statistics for the way back: drop it when you need none.\n${upSql(plan).join(';\n')};`,
      down: `BEGIN;\n${downSql(plan).join(';\n')};\nCOMMIT;`,
    },
    lasting: null,
  }),
});

const done = 'Statistics as they were before Anneal analysed the table.';

function keptName({ schema, kept }: AnalyzeTablePlan): string {
  return qualifiedName(schema, kept);
}

/** The table and its indexes, whose sizes and expressions ANALYZE looks at too. */
function relations({ schema, table }: AnalyzeTablePlan): string {
  const name = quoteLiteral(qualifiedName(schema, table));
  return `c.oid = ${name}::regclass OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = ${name}::regclass)`;
}

const columnStatistics = {
  null_frac: '',
  avg_width: '',
  n_distinct: '',
  most_common_vals: '::text',
  most_common_freqs: '',
  histogram_bounds: '::text',
  correlation: '',
  most_common_elems: '::text',
  most_common_elem_freqs: '',
  elem_count_histogram: '',
  range_length_histogram: '::text',
  range_empty_frac: '',
  range_bounds_histogram: '::text',
} as const;
const relationStatistics = ['relpages', 'reltuples', 'relallvisible', 'relallfrozen'];

function upSql(plan: AnalyzeTablePlan): readonly [keep: string, analyze: string, mark: string] {
  const columns = Object.entries(columnStatistics).map(([name, cast]) => `s.${name}${cast} AS ${name}`);
  const keep =
    `CREATE TABLE ${keptName(plan)} AS\n` +
    `SELECT n.nspname AS schema, c.relname AS relation, ${relationStatistics.map((name) => `c.${name}`).join(', ')}, s.attname, s.inherited, ${columns.join(', ')}\n` +
    `  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n` +
    `  LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname\n` +
    ` WHERE ${relations(plan)}`;
  const mark = `COMMENT ON TABLE ${keptName(plan)} IS ${quoteLiteral(done)}`;
  return [keep, `ANALYZE ${qualifiedName(plan.schema, plan.table)}`, mark];
}

function downSql(plan: AnalyzeTablePlan): readonly string[] {
  const pairs = (names: readonly string[]) => names.map((name) => `'${name}', k.${name}`).join(', ');
  const named = `'schemaname', k.schema::text, 'relname', k.relation::text`;
  return [
    `SELECT pg_clear_attribute_stats(s.schemaname::text, s.tablename::text, s.attname::text, s.inherited)\n` +
      `  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\n` +
      `  JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname\n` +
      ` WHERE ${relations(plan)}`,
    `SELECT pg_restore_attribute_stats(${named}, 'attname', k.attname::text, 'inherited', k.inherited, ${pairs(Object.keys(columnStatistics))})\n` +
      `  FROM ${keptName(plan)} k WHERE k.attname IS NOT NULL`,
    `SELECT pg_restore_relation_stats(${named}, ${pairs(relationStatistics)})\n` +
      `  FROM (SELECT DISTINCT schema, relation, ${relationStatistics.join(', ')} FROM ${keptName(plan)}) k`,
    `DROP TABLE ${keptName(plan)}`,
  ];
}

/** `partial`: the old statistics are kept, and ANALYZE has not finished. */
async function inspect(plan: AnalyzeTablePlan, sql: Sql): Promise<Presence> {
  const { rows } = await sql.query<{ exists: boolean; comment: string | null }>(
    `SELECT to_regclass($1) IS NOT NULL AS exists, obj_description(to_regclass($1), 'pg_class') AS comment`,
    [keptName(plan)],
  );
  if (rows[0]?.exists !== true) return 'absent';
  return rows[0].comment === done ? 'present' : 'partial';
}

function act({ schema, table }: AnalyzeTablePlan) {
  return {
    remedy: id,
    action: `analyse ${qualifiedName(schema, table)}`,
    table: { schema, name: table },
    privilegeHint: 'ANALYZE and keeping the old statistics need the owner of the table, who may create tables in its schema',
  };
}

async function choose({ subject }: Finding, { sql, measurement }: PlanningContext): Promise<AnalyzeTablePlan | Refused> {
  if (sql === null || subject.kind !== 'object' || subject.type !== 'table') return { refused: 'the finding names no table' };
  const { rows } = await sql.query<{ schema: string; table: string; reason: string | null }>(
    `SELECT n.nspname::text AS schema, c.relname::text AS "table",
            CASE WHEN current_setting('server_version_num')::int < 180000
                   THEN 'before PostgreSQL 18 nothing brings old statistics back, so it is not tried; running ANALYZE by hand is what autovacuum does'
                 WHEN c.relkind <> 'r' OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
                   THEN 'it has partitions or children, whose statistics are analysed with it'
                 WHEN EXISTS (SELECT FROM pg_statistic_ext e WHERE e.stxrelid = c.oid)
                   THEN 'it has extended statistics, which PostgreSQL cannot restore; running ANALYZE by hand is what autovacuum does'
            END AS reason
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`,
    [subject.name],
  );
  const [found] = rows;
  if (found === undefined) return { refused: `${subject.name} does not exist: the schema has changed` };
  const { schema, table, reason } = found;
  if (reason !== null) return { refused: reason };
  const plan = { schema, table, kept: nameFor(['anneal_statistics_of', table], 'kept') };
  return statementsOn(plan, measurement).length > 0
    ? plan
    : { refused: `no statement of this traffic reads ${qualifiedName(schema, table)}` };
}

function statementsOn({ schema, table }: Pick<AnalyzeTablePlan, 'schema' | 'table'>, { observations }: Measurement) {
  return (observations['postgres.statements'] ?? []).filter(({ tables }) =>
    tables.some((name) => name === table || name === `${schema}.${table}`),
  );
}
