import { createConnection, type Connection, type ConnectionOptions } from 'mysql2/promise';
import { AnnealError, type ErrorCode } from '../errors.ts';
import type { Mysql, MysqlConnectOptions, MysqlDatabases, MysqlProduct, MysqlValue } from '../ports/mysql.ts';

/** A server that does not finish a handshake in this time will not carry a measurement either. */
const connectTimeoutMs = 10_000;

/** MySQL 8 and MariaDB over `mysql2`. DECIMAL and BIGINT come as numbers, the latter as text beyond 2^53. */
export function createMysqlDatabases(): MysqlDatabases {
  return { connect };
}

async function connect(url: string, options: MysqlConnectOptions): Promise<Mysql> {
  const address = addressOf(url);
  const connection = await open(address);
  try {
    const server = await serverOf(connection, address);
    for (const [name, value] of Object.entries(settingsOf(server.product, options))) {
      await connection.query(`SET SESSION ${name} = ${typeof value === 'number' ? value : connection.escape(value)}`);
    }
    if (options.readOnly) await connection.query('SET SESSION TRANSACTION READ ONLY');
    return session(connection, address, server);
  } catch (error) {
    connection.destroy();
    throw error instanceof AnnealError ? error : connectError(error, address);
  }
}

interface Address {
  readonly label: string;
  readonly database: string;
  readonly encryption: 'DISABLED' | 'PREFERRED' | 'REQUIRED' | 'VERIFY_CA' | 'VERIFY_IDENTITY';
  readonly login: ConnectionOptions;
}

const encryptions = ['DISABLED', 'PREFERRED', 'REQUIRED', 'VERIFY_CA', 'VERIFY_IDENTITY'] as const;

/**
 * `mysql://user:password@host:3306/database?ssl-mode=REQUIRED&socket=/path`, the manual's form ("Connecting Using URI-Like
 * Strings"). Other parameters belong to the application's driver and are left alone: handed on, mysql2 would take any of its
 * own options from them.
 */
function addressOf(text: string): Address {
  const url = URL.parse(text);
  if (url === null) {
    throw new AnnealError('ANNEAL_DATABASE_UNREACHABLE', { database: 'in the URL', problem: 'its URL cannot be read' });
  }
  const [user, password, database] = [url.username, url.password, url.pathname.slice(1)].map(decode) as [string, string, string];
  const host = url.hostname === '' ? 'localhost' : url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? 3306 : Number(url.port);
  const socketPath = url.searchParams.get('socket') ?? url.searchParams.get('socketPath');
  const mode = (url.searchParams.get('ssl-mode') ?? url.searchParams.get('sslmode') ?? 'PREFERRED').toUpperCase().replaceAll('-', '_');
  const where = `${user}@${socketPath ?? `${host}:${port}`}`;
  if (database === '') {
    throw new AnnealError('ANNEAL_USAGE', { problem: `the URL of ${where} names no database: mysql://user@host/name`, command: 'check' });
  }
  return {
    label: `${where}/${database}`,
    database,
    encryption: encryptions.find((known) => known === mode) ?? 'PREFERRED',
    login: { user, password, database, ...(socketPath === null ? { host, port } : { socketPath }) },
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function open(address: Address): Promise<Connection> {
  const { login, encryption } = address;
  try {
    const connection = await createConnection({
      ...login,
      connectTimeout: connectTimeoutMs,
      charset: 'utf8mb4',
      decimalNumbers: true,
      supportBigNumbers: true,
      // Index builds are silent for minutes; a firewall must not take that for an idle connection.
      enableKeepAlive: true,
      ...(encryption === 'DISABLED'
        ? {}
        : { ssl: { rejectUnauthorized: encryption.startsWith('VERIFY'), verifyIdentity: encryption === 'VERIFY_IDENTITY' } }),
    });
    // Without a listener a connection that breaks while idle would end the whole process. The next query reports it.
    connection.on('error', () => {});
    return connection;
  } catch (error) {
    // PREFERRED is the clients' default and means: encrypted where the server can ("Command Options for Encrypted Connections").
    if (encryption === 'PREFERRED' && codeOf(error) === 'HANDSHAKE_NO_SSL_SUPPORT') return open({ ...address, encryption: 'DISABLED' });
    throw connectError(error, address);
  }
}

/** "Server Error Message Reference". */
const codesOfRefusal: Readonly<Record<string, ErrorCode>> = {
  ER_ACCESS_DENIED_ERROR: 'ANNEAL_DATABASE_CREDENTIALS',
  ER_ACCESS_DENIED_NO_PASSWORD_ERROR: 'ANNEAL_DATABASE_CREDENTIALS',
  ER_DBACCESS_DENIED_ERROR: 'ANNEAL_DATABASE_CREDENTIALS',
  ER_NOT_SUPPORTED_AUTH_MODE: 'ANNEAL_DATABASE_CREDENTIALS',
  ER_MUST_CHANGE_PASSWORD_LOGIN: 'ANNEAL_DATABASE_CREDENTIALS',
  ER_BAD_DB_ERROR: 'ANNEAL_DATABASE_MISSING',
};

function connectError(error: unknown, { label }: Address): AnnealError {
  const code = codesOfRefusal[codeOf(error) ?? ''] ?? 'ANNEAL_DATABASE_UNREACHABLE';
  return new AnnealError(code, { database: label, problem: messageOf(error) }, { cause: error });
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** A host with several addresses fails with one error for each and an empty message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error && error.message !== '' ? error.message : (codeOf(error) ?? String(error));
}

interface Server {
  readonly product: MysqlProduct;
  readonly version: string;
}

/** Invisible indexes came with 8.0, and IGNORED ones are in every MariaDB that is still maintained from 10.11 on. */
const oldest: Readonly<Record<MysqlProduct, readonly [number, number]>> = { MySQL: [8, 0], MariaDB: [10, 11] };
/** They speak the protocol and keep other statistics. */
const others = ['TiDB', 'Vitess', 'SingleStore', 'MemSQL', 'OceanBase', 'Doris', 'StarRocks', 'Dolt'];

async function serverOf(connection: Connection, { label }: Address): Promise<Server> {
  const [rows] = await connection.query('SELECT VERSION() AS version, @@version_comment AS comment');
  const { version, comment } = (rows as unknown as readonly { readonly version: string; readonly comment: string }[])[0]!;
  const words = `${version} ${comment}`;
  const refuse = (problem: string) => new AnnealError('ANNEAL_DATABASE_UNSUPPORTED', { database: label, problem });
  const other = others.find((name) => words.toLowerCase().includes(name.toLowerCase()));
  if (other !== undefined) throw refuse(`it is ${other}`);
  const product = words.includes('MariaDB') ? 'MariaDB' : 'MySQL';
  // A MariaDB behind some proxies and clouds calls itself 5.5.5-10.11.2-MariaDB.
  const number = /\d+\.\d+\.\d+/.exec(version.replace(/^5\.5\.5-/, ''))?.[0] ?? version;
  const [major = 0, minor = 0] = number.split('.').map(Number);
  const [leastMajor, leastMinor] = oldest[product];
  if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
    throw refuse(`it is ${product} ${number}; MySQL 8.0 and MariaDB 10.11 are the oldest that can be read`);
  }
  return { product, version: number };
}

/**
 * `IGNORE_SPACE` because digests put a space behind the names of functions; and a mode of our own because under
 * `NO_BACKSLASH_ESCAPES` the driver's way of escaping values would not hold.
 */
function settingsOf(
  product: MysqlProduct,
  { statementTimeoutMs, lockTimeoutMs }: MysqlConnectOptions,
): Readonly<Record<string, string | number>> {
  return {
    sql_mode: 'IGNORE_SPACE,STRICT_ALL_TABLES',
    ...(lockTimeoutMs === undefined ? {} : { lock_wait_timeout: Math.max(Math.ceil(lockTimeoutMs / 1000), 1) }),
    ...(statementTimeoutMs === undefined
      ? {}
      : product === 'MariaDB'
        ? { max_statement_time: statementTimeoutMs / 1000 }
        : // Ends SELECT only, which is all a read-only session sends that could last.
          { max_execution_time: statementTimeoutMs }),
  };
}

function session(connection: Connection, address: Address, server: Server): Mysql {
  let closed: Promise<void> | null = null;
  const close = () => (closed ??= connection.end());
  return {
    ...server,
    database: address.database,
    label: address.label,
    async query<Row extends object>(text: string, values: readonly MysqlValue[] = [], { signal }: { readonly signal?: AbortSignal } = {}) {
      signal?.throwIfAborted();
      const [rows] = await cancellable(connection, address, signal, () => connection.query(text, [...values]));
      return Array.isArray(rows) ? (rows as unknown as readonly Row[]) : [];
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Rejects with the signal's reason, and only after the server has let go of the statement. */
async function cancellable<T>(
  connection: Connection,
  address: Address,
  signal: AbortSignal | undefined,
  query: () => Promise<T>,
): Promise<T> {
  if (signal === undefined) return query();
  let cancelling: Promise<void> = Promise.resolve();
  const onAbort = () => {
    // Where it cannot be delivered the statement runs to its end or timeout.
    cancelling = kill(address, connection.threadId).catch(() => {});
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const result = await query();
    // MariaDB gives NULL for some of what it interrupts, and calls that an answer.
    signal.throwIfAborted();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    // A KILL that arrived late must not hit the next statement.
    await cancelling;
  }
}

async function kill(address: Address, threadId: number): Promise<void> {
  const connection = await open(address);
  try {
    await connection.query(`KILL QUERY ${threadId}`);
  } finally {
    await connection.end();
  }
}
