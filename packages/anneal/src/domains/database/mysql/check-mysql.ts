import { diagnose, type Diagnosis } from '../../../finding/diagnose.ts';
import type { Rule } from '../../../finding/finding.ts';
import type { Gap, Measurement } from '../../../measurement/measurement.ts';
import type { Capability } from '../../../measurement/observations.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Mysql } from '../../../ports/mysql.ts';
import { indexUsage } from './probes/index-usage.ts';
import { readAll, type MysqlProbe } from './probes/mysql-probe.ts';
import { schema } from './probes/schema.ts';
import { server } from './probes/server.ts';
import { statements } from './probes/statements.ts';
import { diskTemporaryTable } from './rules/disk-temporary-table.ts';
import { duplicateIndex } from './rules/duplicate-index.ts';
import { fullScan } from './rules/full-scan.ts';
import { lateSort } from './rules/late-sort.ts';
import { missingIndex } from './rules/missing-index.ts';
import { missingPrimaryKey } from './rules/missing-primary-key.ts';
import { nPlusOne } from './rules/n-plus-one.ts';
import { redundantIndex } from './rules/redundant-index.ts';
import { uncountedStatements } from './rules/uncounted-statements.ts';
import { unusedIndex } from './rules/unused-index.ts';

/** Each sees what those before it have read. */
export const mysqlProbes: readonly MysqlProbe[] = [server, schema, indexUsage, statements];

export const mysqlRules: readonly Rule[] = [
  uncountedStatements,
  missingIndex,
  lateSort,
  fullScan,
  nPlusOne,
  diskTemporaryTable,
  duplicateIndex,
  redundantIndex,
  unusedIndex,
  missingPrimaryKey,
];

export interface MysqlCheckOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonicMs'>;
  /** The rules to run; all of them where it is left out. */
  readonly rules?: readonly Rule[];
}

export interface MysqlCheck extends Diagnosis {
  /** What was read, for whoever plans a remedy. */
  readonly measurement: Measurement;
  readonly gaps: readonly Gap[];
}

/** Below a hundredth of the database's time a statement is not worth a line: the same as for any window. */
const minimumShare = 0.01;

/**
 * Reads a MySQL 8 or MariaDB over a read-only connection and judges its statements and indexes. Nothing is changed. What
 * cannot be read (performance_schema switched off, or not granted) is a gap, and rules that need it say so.
 */
export async function checkMysql(mysql: Mysql, { clock, rules = mysqlRules }: MysqlCheckOptions): Promise<MysqlCheck> {
  const startedAt = clock.now().toISOString();
  const startedMs = clock.monotonicMs();
  const { observations, gaps } = await readAll(needed(rules), mysql);
  const measurement: Measurement = {
    id: 'health',
    arm: 'baseline',
    startedAt,
    durationMs: clock.monotonicMs() - startedMs,
    observations,
    gaps,
    quality: { trusted: true, problems: [] },
  };
  return { ...diagnose(rules, measurement, { minimumShare }), measurement, gaps };
}

/** Statements take longest to read, and some rules do not need them; all other probes are read by each. */
function needed(rules: readonly Rule[]): readonly MysqlProbe[] {
  const needs = new Set<Capability>(rules.flatMap(({ requires }) => requires));
  return mysqlProbes.filter((probe) => probe !== statements || statements.provides.some((capability) => needs.has(capability)));
}
