import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import pg from 'pg';
import { AnnealError, type ErrorCode } from '../errors.ts';
import { isMysqlUrl, otherProduct, schemeOf } from '../ports/database-product.ts';
import type { Databases, Sql, SqlConnectOptions, SqlQueryOptions, SqlResult } from '../ports/sql.ts';

/** A server that does not finish a handshake in this time will not carry a measurement either. */
const connectTimeoutMs = 10_000;

/** PostgreSQL over `pg`. Rows come as the driver gives them: `bigint` and `numeric` are strings unless the query casts them. */
export function createDatabases(): Databases {
  return { connect };
}

async function connect(url: string, options: SqlConnectOptions): Promise<Sql> {
  const client = await openClient(url, options.applicationName);
  try {
    // Set by a statement and not by start-up parameters, which poolers such as PgBouncer refuse.
    const settings = {
      application_name: options.applicationName,
      default_transaction_read_only: options.readOnly ? 'on' : null,
      statement_timeout: options.statementTimeoutMs?.toString() ?? null,
      lock_timeout: options.lockTimeoutMs?.toString() ?? null,
    };
    for (const [name, value] of Object.entries(settings)) {
      if (value !== null) await client.query('SELECT set_config($1, $2, false)', [name, value]);
    }
    // The server should stop working for an Anneal that was killed. Not known before version 14 or on every platform.
    await client.query(`SET client_connection_check_interval = '2s'`).catch(() => {});
    const { rows } = await client.query<{ timeout: string }>(`SELECT current_setting('statement_timeout') AS timeout`);
    return session({ client, statementTimeout: rows[0]!.timeout });
  } catch (error) {
    await client.end();
    throw error;
  }
}

async function openClient(url: string, applicationName: string): Promise<pg.Client> {
  refuseOthers(url);
  let client: pg.Client;
  const { href, encryption } = withStandardEncryption(url);
  try {
    client = new pg.Client({
      connectionString: href,
      fallback_application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      // Index builds are silent for minutes; a firewall must not take that for an idle connection.
      keepAlive: true,
    });
  } catch (cause) {
    throw new AnnealError(
      'ANNEAL_DATABASE_UNREACHABLE',
      { database: 'in the URL', problem: `its URL cannot be read: ${messageOf(cause)}` },
      { cause },
    );
  }
  // Without a listener a connection that breaks while idle would end the whole process. The next query reports it.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    // After an error of its own, such as a missing password, the driver leaves the socket open.
    client.end().catch(() => {});
    const offersNone = messageOf(error) === 'The server does not support SSL connections';
    if (encryption === 'optional' && offersNone) return openClient(url.replace(sslMode, '$1disable'), applicationName);
    throw connectError(error, client);
  }
}

/** Says what it met rather than failing in another database's handshake. */
function refuseOthers(url: string): void {
  const product = otherProduct(url);
  if (product === null) return;
  const problem = isMysqlUrl(url)
    ? `it is ${product}, and only PostgreSQL can be measured under load and changed`
    : `it is ${product}, which is not supported yet`;
  throw new AnnealError('ANNEAL_DATABASE_UNSUPPORTED', { database: `at ${schemeOf(url)}://`, problem });
}

const sslMode = /([?&]sslmode=)([a-z-]+)/;

/**
 * `sslmode` as the PostgreSQL manual defines it (34.19.1), which is what the URL's author meant. Left alone, `pg` 8
 * takes `prefer` and `require` for `verify-full`.
 */
function withStandardEncryption(url: string): { readonly href: string; readonly encryption: 'optional' | 'as stated' } {
  const mode = sslMode.exec(url)?.[2];
  if (mode === undefined || url.includes('uselibpqcompat=')) return { href: url, encryption: 'as stated' };
  if (mode === 'require') return { href: `${url}&uselibpqcompat=true`, encryption: 'as stated' };
  if (mode !== 'prefer' && mode !== 'allow') return { href: url, encryption: 'as stated' };
  return { href: `${url.replace(sslMode, '$1prefer')}&uselibpqcompat=true`, encryption: 'optional' };
}

/** PostgreSQL manual, appendix A. */
const codesOfRefusal: Readonly<Record<string, ErrorCode>> = {
  '28P01': 'ANNEAL_DATABASE_CREDENTIALS',
  '28000': 'ANNEAL_DATABASE_CREDENTIALS',
  '42501': 'ANNEAL_DATABASE_CREDENTIALS',
  '3D000': 'ANNEAL_DATABASE_MISSING',
};

function connectError(error: unknown, client: pg.Client): AnnealError {
  const problem = messageOf(error);
  // A missing or empty password fails in the driver, before the server could give a code.
  const code = problem.startsWith('SASL:')
    ? 'ANNEAL_DATABASE_CREDENTIALS'
    : (codesOfRefusal[sqlState(error) ?? ''] ?? 'ANNEAL_DATABASE_UNREACHABLE');
  return new AnnealError(code, { database: labelOf(client), problem }, { cause: error });
}

function sqlState(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** A host with several addresses fails with one error for each and an empty message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

function labelOf(client: pg.Client): string {
  return `${client.user ?? ''}@${client.host}:${client.port}/${client.database ?? ''}`;
}

/** What the server gave out at login for cancelling this session's statements; the driver's types leave it out. */
interface CancelKey {
  readonly processID: number;
  readonly secretKey: number;
}

const cancelRequestCode = 80_877_102;

/**
 * The protocol's own cancellation (manual, "Canceling Requests in Progress"): a packet that needs no login. A session that
 * had to log in first would wait for the very lock that a CREATE DATABASE holds on its template.
 */
async function cancel(client: pg.Client): Promise<void> {
  const { processID, secretKey } = client as unknown as CancelKey;
  const packet = Buffer.alloc(16);
  [packet.length, cancelRequestCode, processID, secretKey].forEach((value, index) => packet.writeInt32BE(value, 4 * index));
  const socket = client.host.startsWith('/')
    ? createConnection(`${client.host}/.s.PGSQL.${client.port}`)
    : createConnection(client.port, client.host);
  socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error('timeout')));
  socket.resume().end(packet);
  // The server closes the connection once it has passed the request on.
  await once(socket, 'close');
}

interface Connection {
  readonly client: pg.Client;
  /** The session's own timeout, to return to after a statement that had another. */
  readonly statementTimeout: string;
}

function session(connection: Connection): Sql {
  const { client } = connection;
  const inTurn = turns();
  const reading = new AsyncLocalStorage<true>();
  // Waiting for its own transaction to end would wait for ever, so it is refused.
  const refuseReentry = () => {
    if (reading.getStore()) throw new Error('inside readOnly() use the connection it hands to the work');
  };
  let closed: Promise<void> | null = null;
  const close = () => (closed ??= client.end());
  return {
    label: labelOf(client),
    async query<Row extends object>(text: string, values?: readonly unknown[], options?: SqlQueryOptions) {
      refuseReentry();
      return inTurn(() => run<Row>(connection, text, values, options));
    },
    async readOnly(work) {
      refuseReentry();
      return inTurn(() =>
        reading.run(true, () => bracket(connection, 'BEGIN READ ONLY', 'ROLLBACK', () => work(transaction(connection, 1)))),
      );
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The connection while a read-only transaction is open on it; a transaction inside is a savepoint. */
function transaction(connection: Connection, depth: number): Sql {
  const inTurn = turns();
  const close = async () => {};
  return {
    label: labelOf(connection.client),
    query: <Row extends object>(text: string, values?: readonly unknown[], options?: SqlQueryOptions) =>
      inTurn(() => run<Row>(connection, text, values, options)),
    readOnly: (work) =>
      inTurn(() =>
        bracket(connection, `SAVEPOINT reading_${depth}`, `ROLLBACK TO SAVEPOINT reading_${depth}`, () =>
          work(transaction(connection, depth + 1)),
        ),
      ),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function bracket<T>({ client }: Connection, begin: string, end: string, work: () => Promise<T>): Promise<T> {
  await client.query(begin);
  try {
    return await work();
  } finally {
    // Fails only when the connection is lost, and then the server has rolled back already.
    await client.query(end).catch(() => {});
  }
}

/** One statement with its own timeout is three statements that nothing may come between; so is one with its cancellation. */
function turns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };
}

async function run<Row extends object>(
  connection: Connection,
  text: string,
  values: readonly unknown[] = [],
  { timeoutMs, signal }: SqlQueryOptions = {},
): Promise<SqlResult<Row>> {
  signal?.throwIfAborted();
  if (timeoutMs !== undefined) await setStatementTimeout(connection, String(timeoutMs));
  try {
    const result = await cancellable(connection, signal, () =>
      connection.client.query([...values].length === 0 ? text : { text, values: [...values] }),
    );
    if (Array.isArray(result)) throw new Error('one statement per query');
    const columnTypes = result.fields.map(({ dataTypeID }) => dataTypeID);
    return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0, columnTypes };
  } finally {
    // In a failed transaction this fails too, and the rollback restores the setting instead.
    if (timeoutMs !== undefined) await setStatementTimeout(connection, connection.statementTimeout).catch(() => {});
  }
}

async function setStatementTimeout({ client }: Connection, timeout: string): Promise<void> {
  await client.query(`SELECT set_config('statement_timeout', $1, false)`, [timeout]);
}

/** Rejects with the signal's reason, and only after the server has let go of the statement. */
async function cancellable<T>(connection: Connection, signal: AbortSignal | undefined, query: () => Promise<T>): Promise<T> {
  if (signal === undefined) return query();
  let cancelling: Promise<void> = Promise.resolve();
  const onAbort = () => {
    // Where the request cannot be delivered the statement runs to its end or timeout.
    cancelling = cancel(connection.client).catch(() => {});
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await query();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    // A cancellation that arrived late must not hit the next statement.
    await cancelling;
  }
}
