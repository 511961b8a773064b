import type { MysqlPlanStep, MysqlStatementObservation } from '../../../../measurement/mysql-observations.ts';
import { quoteName, type Mysql } from '../../../../ports/mysql.ts';
import { catalogueOf, readDigest, type DigestContext, type ExplainableText } from '../read-digest.ts';
import { isRefusal, unread, type MysqlProbe } from './mysql-probe.ts';
import { digests, obstacle } from './performance-schema.ts';

const provides = ['mysql.statements', 'mysql.plans'] as const;
/** What lies below the first two hundred by time is, in any workload that has a head, not worth a plan. */
const most = 200;
/** Names the column of Anneal's own readings of user tables, so that a later check can tell them from the application's. */
const ownAlias = 'anneal_stand_in';

/** The statements this database has spent most time on, with what each asks and the plan the optimizer has for it. */
export const statements: MysqlProbe = {
  id: 'mysql statements',
  provides,
  async read(mysql, { 'mysql.columns': columns }) {
    const reason = await obstacle(mysql, digests);
    if (reason !== null) return unread(provides, reason);
    if (columns === undefined) return unread(provides, 'the columns could not be read');
    const [limits] = await mysql.query<{ bytes: number }>(
      'SELECT LEAST(@@global.max_digest_length, @@global.performance_schema_max_digest_length) AS bytes',
    );
    const context = { database: mysql.database, catalogue: catalogueOf(columns), maxDigestBytes: limits!.bytes };
    const observed: MysqlStatementObservation[] = [];
    const plans: Record<string, readonly MysqlPlanStep[]> = {};
    let withoutTime = 0;
    for (const row of await readRows(mysql)) {
      const { statement, explain } = observe(row, context);
      observed.push(statement);
      if (explain === null) continue;
      try {
        const plan = await planOf(mysql, explain);
        if (plan !== null) plans[statement.id] = plan;
      } catch (error) {
        // What was counted is worth telling without the plans that time was too short for.
        if (!(error instanceof Error) || error.name !== 'TimeoutError') throw error;
        withoutTime += 1;
      }
    }
    const late = `the time was too short to explain ${withoutTime} of ${observed.length} statements`;
    const gaps = withoutTime > 0 ? [{ capability: 'mysql.plans', reason: late } as const] : [];
    return { observations: { 'mysql.statements': observed, 'mysql.plans': plans }, gaps };
  },
};

type Row = Omit<MysqlStatementObservation, 'kind' | 'shape' | 'timeShare'> & { readonly allMs: number };

/** Timers count picoseconds. NULL as schema is a statement sent before a database was chosen. */
function readRows(mysql: Mysql): Promise<readonly Row[]> {
  return mysql.query<Row>(
    `SELECT DIGEST AS id, DIGEST_TEXT AS text, COUNT_STAR AS calls, SUM_TIMER_WAIT / 1e9 AS totalMs,
            (SELECT SUM(SUM_TIMER_WAIT) / 1e9 FROM performance_schema.events_statements_summary_by_digest
              WHERE SCHEMA_NAME = ? AND ${application}) AS allMs,
            SUM_ROWS_EXAMINED AS rowsExamined, SUM_ROWS_SENT AS rowsSent, SUM_ROWS_AFFECTED AS rowsAffected,
            SUM_NO_INDEX_USED AS noIndexCalls, SUM_SORT_RANGE + SUM_SORT_SCAN AS sorts, SUM_SORT_MERGE_PASSES AS sortMergePasses,
            SUM_CREATED_TMP_TABLES AS temporaryTables, SUM_CREATED_TMP_DISK_TABLES AS diskTemporaryTables,
            1000 * TIMESTAMPDIFF(SECOND, FIRST_SEEN, LAST_SEEN) AS countedMs
       FROM performance_schema.events_statements_summary_by_digest
      WHERE SCHEMA_NAME = ? AND ${application}
      ORDER BY SUM_TIMER_WAIT DESC LIMIT ${most}`,
    [mysql.database, mysql.database],
  );
}

/** Digests drop comments, so what Anneal sends is known by what it reads. Locks, plans and settings are nobody's workload. */
const application = `DIGEST IS NOT NULL AND DIGEST_TEXT REGEXP '^(SELECT|UPDATE|DELETE|INSERT|REPLACE|WITH|CALL|\\\\()'
              AND DIGEST_TEXT NOT LIKE '%performance_schema%' AND DIGEST_TEXT NOT LIKE '%information_schema%'
              AND DIGEST_TEXT NOT LIKE '%\`innodb_index_stats\`%' AND DIGEST_TEXT NOT LIKE '%${ownAlias}%' AND DIGEST_TEXT NOT LIKE '%@@%'`;

function observe({ allMs, ...row }: Row, context: DigestContext) {
  const text = row.text.trim();
  const verb = /^\w+/.exec(text)?.[0].toLowerCase();
  const kind = verb === 'select' || verb === 'update' || verb === 'delete' ? verb : 'other';
  const read = readDigest(text, context, row.rowsSent / Math.max(row.calls, 1));
  const statement: MysqlStatementObservation = {
    ...row,
    text,
    kind,
    timeShare: allMs > 0 ? row.totalMs / allMs : 0,
    shape: read?.shape ?? null,
  };
  return { statement, explain: read?.explain ?? null };
}

interface ExplainRow {
  readonly id: number | null;
  readonly table: string | null;
  readonly type: string | null;
  readonly key: string | null;
  readonly possible_keys: string | null;
  readonly rows: number | null;
  readonly Extra: string | null;
}

/**
 * The tabular form, which MySQL and MariaDB share, while their JSON differs in every key. Null where the statement cannot be
 * planned: it reads what the role may not, or its digest has lost more than constants.
 */
async function planOf(mysql: Mysql, { text, standIns }: ExplainableText): Promise<readonly MysqlPlanStep[] | null> {
  try {
    for (const { variable, table, column } of standIns) {
      const name = quoteName(column);
      // As a subquery it gives NULL where there is no row, and not what an earlier statement left in the variable.
      await mysql.query(
        `SELECT (SELECT ${name} AS ${ownAlias} FROM ${quoteName(table)} WHERE ${name} IS NOT NULL LIMIT 1) INTO ${variable}`,
      );
    }
    const rows = await mysql.query<ExplainRow>(`EXPLAIN FORMAT=TRADITIONAL ${text}`);
    const outermost = rows[0]?.id;
    return rows.filter(({ id, table }) => id === outermost && table !== null).map(stepOf);
  } catch (error) {
    if (isRefusal(error)) return null;
    throw error;
  }
}

function stepOf({ table, type, key, possible_keys: possible, rows, Extra: extra }: ExplainRow): MysqlPlanStep {
  return {
    alias: table!,
    access: type ?? 'ALL',
    index: key,
    possibleIndexes: possible?.split(',') ?? [],
    rows: rows ?? 0,
    sortsByFile: extra?.includes('Using filesort') ?? false,
    usesTemporary: extra?.includes('Using temporary') ?? false,
  };
}
