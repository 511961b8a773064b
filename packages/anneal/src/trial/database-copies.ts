import { createHash } from 'node:crypto';
import { AnnealError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Files } from '../ports/files.ts';
import { quoteIdentifier } from '../ports/index-sql.ts';
import type { Sql } from '../ports/sql.ts';
import { databaseHost, databaseName } from '../target/database-url.ts';
import type { TargetDatabase } from '../target/target.ts';

/** NAMEDATALEN - 1: PostgreSQL cuts longer identifiers silently, which would make two names one. */
const longestNameBytes = 63;

/** Every database of ours begins with it, and nothing that does not is ever dropped. */
const ourPrefix = 'anneal_';

/** `anneal_<run>_<role>`, lower case, at most 63 bytes. A run's name that has to be shortened keeps its difference as a hash. */
export function copyName(run: string, role: string): string {
  const [runPart, rolePart] = [run, role].map((part) => part.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')) as [string, string];
  const room = longestNameBytes - ourPrefix.length - rolePart.length - 1;
  const shown = runPart.length <= room ? runPart : `${runPart.slice(0, room - hashedChars - 1)}_${shortHash(run)}`;
  return `${ourPrefix}${shown}_${rolePart}`;
}

const hashedChars = 8;
const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, hashedChars);

/**
 * The application name that all of a run's own connections carry (a suffix may follow). When Anneal is killed the
 * server goes on with the statement it was given, so recovery ends these sessions before it looks at anything.
 */
export function sessionName(run: string): string {
  const name = `anneal ${run}`;
  return name.length <= longestNameBytes ? name : `anneal ${shortHash(run)}`;
}

/**
 * Which database this is, wherever it is reached from: the cluster's system identifier and the database's oid.
 * Null where the role may not ask.
 */
export async function databaseIdentity(sql: Sql): Promise<string | null> {
  try {
    const { rows } = await sql.query<{ identity: string }>(
      `SELECT c.system_identifier || '/' || d.oid AS identity
         FROM pg_control_system() AS c, pg_database AS d WHERE d.datname = current_database()`,
    );
    return rows[0]!.identity;
  } catch (error) {
    if (sqlState(error) === '42501') return null;
    throw error;
  }
}

/**
 * Loopback addresses and Unix sockets only. A URL without a host means what the driver makes of it: `PGHOST`, else
 * localhost. A tunnel that ends on this machine looks local, and nothing in PostgreSQL could tell.
 */
export function isLocalDatabase(url: string, environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  const host = databaseHost(url) ?? environment['PGHOST'] ?? 'localhost';
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Throws ANNEAL_DATABASE_NOT_OURS unless the database is on this machine or was given for change by name. */
export function assertOurs(database: TargetDatabase): void {
  if (database.allowRemoteChange || isLocalDatabase(database.url)) return;
  throw new AnnealError('ANNEAL_DATABASE_NOT_OURS', { database: databaseName(database.url) ?? databaseHost(database.url) ?? 'of the URL' });
}

export interface CopyRequest {
  readonly source: string;
  readonly name: string;
  readonly signal?: AbortSignal;
}

/**
 * `CREATE DATABASE name TEMPLATE source`: rows, indexes, planner statistics and extensions come with it, and so do
 * the settings of `ALTER DATABASE ... SET`, which PostgreSQL itself leaves behind. Grants on the database stay behind.
 * `admin` may be connected to the source itself.
 *
 * Throws ANNEAL_DATABASE_BUSY while other sessions use the source, ANNEAL_DATABASE_PRIVILEGE, ANNEAL_DATABASE_READ_ONLY.
 */
export async function copyDatabase(admin: Sql, { source, name, signal }: CopyRequest): Promise<void> {
  assertOurName(name);
  await assertUnused(admin, source);
  try {
    await admin.query(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE ${quoteIdentifier(source)}`, [], {
      timeoutMs: 0,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    throw await copyError(admin, source, error);
  }
  await copySettings(admin, source, name);
}

/** A session that its client has closed is listed until its server process has ended, which takes milliseconds. */
const leavingChecks = 10;

/** The server waits five seconds for other sessions and then fails without a name; asking first says who they are. */
async function assertUnused(admin: Sql, source: string): Promise<void> {
  for (let check = 1; ; check += 1) {
    const { rows } = await admin.query<{ application: string }>(
      `SELECT coalesce(nullif(application_name, ''), 'unnamed') AS application FROM pg_stat_activity
        WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY 1`,
      [source],
    );
    if (rows.length === 0) return;
    if (check === leavingChecks) {
      const applications = [...new Set(rows.map((row) => row.application))].join(', ');
      throw new AnnealError('ANNEAL_DATABASE_BUSY', { database: source, sessions: rows.length, applications });
    }
    await admin.query('SELECT pg_sleep(0.1)');
  }
}

async function copyError(admin: Sql, source: string, error: unknown): Promise<unknown> {
  switch (sqlState(error)) {
    case '42501':
      return privilegeError(admin, source, error);
    case '25006':
      return new AnnealError('ANNEAL_DATABASE_READ_ONLY', { database: source }, { cause: error });
    case '55006':
      return new AnnealError('ANNEAL_DATABASE_BUSY', { database: source, sessions: 1, applications: 'just connected' }, { cause: error });
    default:
      return error;
  }
}

/** Copying needs CREATEDB and, unless the source is marked as a template, its ownership: CREATE DATABASE, Notes. */
async function privilegeError(admin: Sql, source: string, cause: unknown): Promise<AnnealError> {
  const { rows } = await admin.query<{ role: string; mayCreate: boolean }>(
    `SELECT current_user AS role, rolcreatedb OR rolsuper AS "mayCreate" FROM pg_roles WHERE rolname = current_user`,
  );
  const { role, mayCreate } = rows[0]!;
  const [action, remedy] = mayCreate
    ? [
        `copy the database ${source}`,
        `ALTER DATABASE ${quoteIdentifier(source)} OWNER TO ${quoteIdentifier(role)}, or connect as its owner`,
      ]
    : ['create databases', `ALTER ROLE ${quoteIdentifier(role)} CREATEDB, or connect as a role that has it`];
  return new AnnealError('ANNEAL_DATABASE_PRIVILEGE', { role, action, remedy }, { cause });
}

/**
 * `FROM CURRENT` takes the value as the server holds it, so that lists such as search_path keep their quoting.
 * The role's own setting is set last: it wins in the source too.
 */
async function copySettings(admin: Sql, source: string, name: string): Promise<void> {
  const { rows } = await admin.query<{ setting: string }>(
    `SELECT unnest(s.setconfig) AS setting
       FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase
      WHERE d.datname = $1 AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
      ORDER BY s.setrole`,
    [source],
  );
  for (const { setting } of rows) await copySetting(admin, name, setting);
}

async function copySetting(admin: Sql, name: string, setting: string): Promise<void> {
  const equals = setting.indexOf('=');
  const [parameter, value] = [setting.slice(0, equals), setting.slice(equals + 1)];
  await admin.query('BEGIN');
  try {
    await admin.query('SELECT set_config($1, $2, true)', [parameter, value]);
    await admin.query(`ALTER DATABASE ${quoteIdentifier(name)} SET ${quoteParameter(parameter)} FROM CURRENT`);
    await admin.query('COMMIT');
  } catch (error) {
    await admin.query('ROLLBACK');
    // Parameters that only a superuser may set are about logging and auditing; none of them steers a plan.
    if (sqlState(error) !== '42501') throw error;
  }
}

/** Removes a copy, ending sessions that still use it. A copy that is gone already is no error. */
export async function dropDatabase(admin: Sql, name: string): Promise<void> {
  assertOurName(name);
  const { rows } = await admin.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`);
  const options = { timeoutMs: 0 };
  // FORCE came with PostgreSQL 13.
  if (rows[0]!.version >= 130_000) {
    await admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`, [], options);
    return;
  }
  await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()`, [name]);
  await admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)}`, [], options);
}

/** How long a session may take to notice that it was ended; it checks at every row and page. */
const sessionEndWaitMs = 10_000;

/** Ends the sessions a killed run left on the server, whatever they were doing. Resolves with their number once they are gone. */
export async function endSessions(admin: Sql, clock: Clock, run: string): Promise<number> {
  const theirs = `(application_name = $1 OR starts_with(application_name, $1 || ' ')) AND pid <> pg_backend_pid()`;
  const { rowCount } = await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${theirs}`, [sessionName(run)]);
  for (let waitedMs = 0; waitedMs < sessionEndWaitMs; waitedMs += 50) {
    const { rows } = await admin.query(`SELECT 1 FROM pg_stat_activity WHERE ${theirs} LIMIT 1`, [sessionName(run)]);
    if (rows.length === 0) return rowCount;
    await clock.sleep(50);
  }
  throw new Error(`sessions of the run ${run} did not end`);
}

/**
 * Throws ANNEAL_DISK_LOW when `copies` copies of the source would not fit. Says nothing where it cannot know:
 * a server elsewhere, or one that does not tell this role where its files are.
 */
export async function assertRoomForCopies(
  admin: Sql,
  files: Files,
  request: { readonly url: string; readonly source: string; readonly copies: number },
): Promise<void> {
  if (!isLocalDatabase(request.url)) return;
  const { rows } = await admin.query<{ folder: string | null; bytes: string }>(
    `SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder, pg_database_size($1) AS bytes`,
    [request.source],
  );
  const { folder, bytes } = rows[0]!;
  const free = folder === null ? null : await files.freeBytes(folder);
  const needed = Number(bytes) * request.copies;
  if (free === null || free >= needed) return;
  throw new AnnealError('ANNEAL_DISK_LOW', { free: inMegabytes(free), needed: inMegabytes(needed) });
}

const inMegabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;

function assertOurName(name: string): void {
  if (!name.startsWith(ourPrefix)) throw new Error(`${name} is not the name of a copy`);
}

/** Extension settings have a dot: `pg_stat_statements.max`. */
const quoteParameter = (name: string) => name.split('.').map(quoteIdentifier).join('.');

export function sqlState(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
