import type { DatabaseSnapshot, SnapshotTable } from '../../../ports/database-snapshot.ts';
import { silentProgress, type Progress } from '../../../ports/progress.ts';
import type { Sql } from '../../../ports/sql.ts';
import type { SqlParser } from '../../../ports/sql-parser.ts';
import { own } from '../probes/database-probe.ts';
import { coarsenValues } from './coarsen-values.ts';
import { readIndexes } from './read-indexes.ts';
import { readPrerequisites, readViews } from './read-prerequisites.ts';
import { readServer } from './read-server.ts';
import { readStatements } from './read-statements.ts';
import { readBlindSpots, readExtendedStatistics, readForeignKeys, readTables, readUncarriedStatistics } from './read-tables.ts';
import { createSections } from './sections.ts';

export interface SnapshotOptions {
  /** What becomes of column values in the statistics; docs/explanation/snapshot.md says what each costs in accuracy. */
  readonly values: DatabaseSnapshot['values'];
  readonly sqlParser: SqlParser;
  /** ISO 8601. */
  readonly takenAt: string;
  readonly progress?: Progress;
}

/** A catalogue query that takes longer than this is in trouble, and must not add to the server's. */
const statementTimeout = '60s';
/** Sizes and definitions need the weakest lock there is; behind a waiting ALTER TABLE they would queue up all others. */
const lockTimeout = '1s';

/**
 * Reads all that a planner needs from a PostgreSQL 12 to 18, in one read-only transaction and without touching a row
 * of the user's tables. What cannot be read is a sentence in `gaps`.
 */
export async function takeSnapshot(sql: Sql, options: SnapshotOptions): Promise<DatabaseSnapshot> {
  const progress = options.progress ?? silentProgress;
  progress.stage('Reading schema, statistics and settings');
  return sql.readOnly(async (reading) => {
    await reading.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    // The session's own path, before it is emptied so that all names come out qualified.
    const { rows } = await reading.query<{ path: string }>(
      own(`SELECT array_to_string(ARRAY(SELECT quote_ident(name) FROM unnest(current_schemas(false)) AS name), ', ') AS path`),
    );
    for (const [name, value] of Object.entries(readingSettings)) {
      await reading.query(own('SELECT set_config($1, $2, true)'), [name, value]);
    }
    const sections = createSections(reading, progress);
    const server = await readServer(reading);
    const tables = await sections.read('tables', (part) => readTables(part, server.blockBytes), []);
    const blindSpots = await sections.read('privileges', readBlindSpots, []);
    const indexes = await sections.read('indexes', (part) => readIndexes(part, server.blockBytes), []);
    const foreignKeys = await sections.read('foreign keys', readForeignKeys, []);
    const extendedStatistics = await sections.read('extended statistics', (part) => readExtendedStatistics(part, tables), []);
    const uncarried = await sections.read('kinds of extended statistics', readUncarriedStatistics, []);
    const views = await sections.read('views', readViews, []);
    const { statements, gaps } = await sections.read('statements', (part) => readStatements(part, options.sqlParser), {
      statements: [],
      gaps: [],
    });
    const prerequisites = await sections.read('types and functions', (part) => readPrerequisites(part, statements), []);
    const whole: DatabaseSnapshot = {
      formatVersion: 1,
      takenAt: options.takenAt,
      server: { version: server.version, versionNumber: server.versionNumber },
      collation: server.collation,
      values: 'kept',
      settings: { ...server.settings, search_path: rows[0]!.path },
      extensions: server.extensions,
      prerequisites,
      tables,
      indexes,
      foreignKeys,
      views,
      extendedStatistics,
      statements,
      countedSince: server.countedSince,
      gaps: [...server.gaps, ...sections.gaps(), ...blindSpots, ...unseenRanges(server.versionNumber, tables), ...uncarried, ...gaps],
    };
    progress.update(null, `${tables.length} tables, ${indexes.length} indexes, ${statements.length} statements`);
    return coarsenValues(reading, whole, options.values);
  });
}

/** Names qualified, values in one spelling whatever the role's own settings are. */
const readingSettings: Readonly<Record<string, string>> = {
  search_path: '',
  statement_timeout: statementTimeout,
  lock_timeout: lockTimeout,
  datestyle: 'ISO, YMD',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '3',
};

/** pg_stats shows the histograms of ranges from version 17 on (release notes); pg_statistic is for superusers. */
function unseenRanges(versionNumber: number, tables: readonly SnapshotTable[]): readonly string[] {
  const ranges = tables.flatMap(({ columns }) => columns).filter(({ type, statistics }) => type.endsWith('range') && statistics !== null);
  if (versionNumber >= 170_000 || ranges.length === 0) return [];
  return [`before PostgreSQL 17 the histograms of ranges are hidden: conditions on ${ranges.length} range columns are guessed`];
}
