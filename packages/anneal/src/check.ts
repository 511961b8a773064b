import { domains } from './domains/index.ts';
import { checkMysql, mysqlRules } from './domains/database/mysql/check-mysql.ts';
import { own } from './domains/database/probes/database-probe.ts';
import type { Health } from './domains/domain.ts';
import { AnnealError } from './errors.ts';
import { diagnose } from './finding/diagnose.ts';
import type { Finding, Level, Rule } from './finding/finding.ts';
import { attempt } from './measurement/measure.ts';
import type { Gap, ProbeContext, ProbeReading } from './measurement/measurement.ts';
import type { Capability, Observations } from './measurement/observations.ts';
import { isMysqlUrl } from './ports/database-product.ts';
import type { Sql } from './ports/sql.ts';
import type { HealthReport } from './report/health-report.ts';
import type { RunOptions } from './run.ts';

export interface CheckOptions extends RunOptions {
  /** Ids of the checks to run, with or without `database/`; all where it is left out. */
  readonly only?: readonly string[];
}

/** The whole check must be over within ten seconds; the rest is for connecting and judging. */
const budgetMs = 8_000;
/** No single answer may use the budget up. */
const statementTimeoutMs = 4_000;
/** Locked relations are left out beforehand; this is for the lock taken a moment later. */
const lockTimeoutMs = 500;

const levels: readonly Level[] = ['error', 'warning', 'note'];

/**
 * Reads the state of a PostgreSQL 12 to 18, a MySQL 8 or a MariaDB in read-only transactions and judges it. Nothing is changed, no lock is waited for longer
 * than half a second; what cannot be read within the time is a gap with its reason, and the checks that need it say so.
 *
 * Throws what connecting throws, ANNEAL_DATABASE_UNSUPPORTED for other databases and ANNEAL_USAGE for an unknown check.
 */
export function checkDatabaseAt(url: string, options: CheckOptions): Promise<HealthReport> {
  return isMysqlUrl(url) ? checkMysqlAt(url, options) : checkPostgresAt(url, options);
}

async function checkMysqlAt(url: string, { outside, signal, progress, only: ids }: CheckOptions): Promise<HealthReport> {
  const rules = chosen(mysqlRules, ids);
  await using mysql = await outside.mysqlDatabases.connect(url, { readOnly: true, statementTimeoutMs, lockTimeoutMs });
  signal.throwIfAborted();
  progress.stage(`Reading ${mysql.label}`);
  const ending = AbortSignal.any([signal, AbortSignal.timeout(budgetMs)]);
  const { findings, silences, gaps, measurement } = await checkMysql(
    { ...mysql, query: (text, values, options) => mysql.query(text, values, { signal: ending, ...options }) },
    { clock: outside.clock, rules },
  );
  signal.throwIfAborted();
  return {
    schemaVersion: '1.0.0',
    takenAt: measurement.startedAt,
    durationMs: measurement.durationMs,
    database: { label: mysql.label, version: `${mysql.product} ${mysql.version}` },
    findings: sorted(findings),
    silences,
    gaps,
  };
}

async function checkPostgresAt(url: string, options: CheckOptions): Promise<HealthReport> {
  const { outside, signal, progress } = options;
  const health = only(domains.find(({ id }) => id === 'database')!.health!, options.only);
  const startedMs = outside.clock.monotonicMs();
  const takenAt = outside.clock.now().toISOString();
  await using sql = await outside.databases.connect(url, {
    applicationName: 'anneal check',
    readOnly: true,
    statementTimeoutMs,
    lockTimeoutMs,
  });
  signal.throwIfAborted();
  const version = await supportedVersion(sql);
  progress.stage(`Reading ${sql.label}`);
  const { observations, gaps } = await read(health, {
    sql: withSignal(sql, AbortSignal.any([signal, AbortSignal.timeout(budgetMs)])),
    agent: null,
    processes: outside.processes,
    clock: outside.clock,
    sqlParser: outside.sqlParser,
    targetPid: null,
    workingDirectory: process.cwd(),
  });
  signal.throwIfAborted();
  const durationMs = outside.clock.monotonicMs() - startedMs;
  const diagnosis = diagnose(
    health.checks,
    { id: 'health', arm: 'baseline', startedAt: takenAt, durationMs, observations, gaps, quality: { trusted: true, problems: [] } },
    { minimumShare: 0 },
  );
  return {
    schemaVersion: '1.0.0',
    takenAt,
    durationMs,
    database: { label: sql.label, version },
    ...diagnosis,
    findings: sorted(diagnosis.findings),
    gaps,
  };
}

/** Probes one after the other over one connection: a health check must not be a load. */
async function read({ probes, derivations }: Health, context: ProbeContext): Promise<Pick<ProbeReading, 'observations' | 'gaps'>> {
  let observations: Partial<Observations> = {};
  const gaps: Gap[] = [];
  for (const probe of probes) {
    const reading = await attempt(probe, async () => (await probe.open(context)).close());
    observations = { ...observations, ...reading.observations };
    gaps.push(...reading.gaps);
  }
  for (const derivation of derivations) {
    const reading = await attempt(derivation, () => derivation.derive(context, observations, new Map()));
    observations = { ...observations, ...reading.observations };
    gaps.push(...reading.gaps);
  }
  return { observations, gaps };
}

/** The checks asked for, and of the sources only those they need. */
function only(health: Health, ids: readonly string[] | undefined): Health {
  const checks = chosen(health.checks, ids);
  if (checks === health.checks) return health;
  const needed = new Set<Capability>(checks.flatMap(({ requires }) => requires));
  const serves = ({ provides }: { readonly provides: readonly Capability[] }) => provides.some((capability) => needed.has(capability));
  const derivations = health.derivations.filter(serves);
  // A derivation reads what probes saw; which of it is not declared, so all of it is read.
  return { checks, derivations, probes: derivations.length > 0 ? health.probes : health.probes.filter(serves) };
}

/** The checks of these names, with or without what stands before the slash; all of them where none is named. */
function chosen(checks: readonly Rule[], ids: readonly string[] | undefined): readonly Rule[] {
  if (ids === undefined || ids.length === 0) return checks;
  const nameOf = (id: string) => id.slice(id.indexOf('/') + 1);
  return ids.map((id) => {
    const found = checks.find((check) => check.id === id || nameOf(check.id) === id);
    if (found !== undefined) return found;
    const known = checks.map((check) => nameOf(check.id)).join(', ');
    throw new AnnealError('ANNEAL_USAGE', { problem: `there is no check ${id}; there are: ${known}`, command: 'check' });
  });
}

const oldestVersion = 120_000;

/** `PostgreSQL 18.4`. Others speak the same protocol and keep other statistics (CockroachDB, Redshift). */
async function supportedVersion(sql: Sql): Promise<string> {
  const { rows } = await sql.query<{ words: string; number: string; shown: string }>(
    own(`SELECT version() AS words, current_setting('server_version_num') AS number, current_setting('server_version') AS shown`),
  );
  const { words, number, shown } = rows[0]!;
  if (!words.startsWith('PostgreSQL'))
    throw new AnnealError('ANNEAL_DATABASE_UNSUPPORTED', {
      database: sql.label,
      problem: `it is ${words.split(' ').slice(0, 2).join(' ')}`,
    });
  if (Number(number) < oldestVersion)
    throw new AnnealError('ANNEAL_DATABASE_UNSUPPORTED', { database: sql.label, problem: `it is PostgreSQL ${shown}` });
  return `PostgreSQL ${shown}`;
}

/** Every query ends with the signal, on the server too. */
function withSignal(sql: Sql, signal: AbortSignal): Sql {
  return {
    ...sql,
    query: (text, values, options) => sql.query(text, values, { signal, ...options }),
    readOnly: (work) => sql.readOnly((inner) => work(withSignal(inner, signal))),
  };
}

function sorted(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted(
    (one, other) =>
      levels.indexOf(one.level) - levels.indexOf(other.level) ||
      other.impact.share - one.impact.share ||
      (one.ruleId + one.subject.key < other.ruleId + other.subject.key ? -1 : 1),
  );
}
