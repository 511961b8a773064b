import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection, type Connection } from 'mysql2/promise';
import { freePort } from '../../packages/anneal/src/adapters/free-port.ts';

export interface MariadbServer extends AsyncDisposable {
  readonly port: number;
  /** Of the user `root`, who has no password. */
  urlOf(database: string): string;
  /** For arranging and asserting; the code under test opens its own connections. */
  connect(database?: string): Promise<Connection>;
}

const folders = [...(process.env['PATH']?.split(':') ?? []), '/usr/sbin', '/usr/local/sbin'];
const [server, installer] = ['mariadbd', 'mariadb-install-db'].map((name) =>
  folders.map((folder) => join(folder, name)).find((path) => existsSync(path)),
);

export const hasMariadb = server !== undefined && installer !== undefined;

/** Says on stderr what is not tested where there is no MariaDB. */
export function announceMissingMariadb(what: string): void {
  if (!hasMariadb) process.stderr.write(`SKIPPED: no MariaDB on this machine (Debian: mariadb-server), so ${what} is not tested\n`);
}

/** A private server in a temporary folder, on a port of 127.0.0.1; ended and removed when disposed. */
export async function startMariadb({ performanceSchema }: { readonly performanceSchema: boolean }): Promise<MariadbServer> {
  const folder = await mkdtemp(join(tmpdir(), 'anneal-mariadb-'));
  // The server refuses to run as root, and so that it may enter the folder everybody may.
  await chmod(folder, 0o755);
  const user = process.getuid?.() === 0 ? ['--user=nobody'] : [];
  const data = `--datadir=${join(folder, 'data')}`;
  if (user.length > 0) execFileSync('install', ['-d', '-o', 'nobody', join(folder, 'data')]);
  execFileSync(installer!, ['--no-defaults', ...user, data, '--auth-root-authentication-method=normal', '--skip-test-db'], {
    stdio: 'pipe',
  });
  const port = await freePort();
  const child = spawn(
    server!,
    [
      '--no-defaults',
      ...user,
      data,
      `--socket=${join(folder, 'data', 'socket')}`,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      `--performance-schema=${performanceSchema ? 'ON' : 'OFF'}`,
      '--innodb-buffer-pool-size=32M',
      '--innodb-log-file-size=8M',
    ],
    { stdio: 'ignore' },
  );
  const connect = (database?: string) =>
    createConnection({
      host: '127.0.0.1',
      port,
      user: 'root',
      charset: 'utf8mb4',
      multipleStatements: true,
      ...(database === undefined ? {} : { database }),
    });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await connect().then(
        (connection) => connection.end(),
        (error: unknown) => error,
      );
      if (answer === undefined) break;
      if (child.exitCode !== null || attempt === 150) throw new Error('the MariaDB of the test did not start', { cause: answer });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    urlOf: (database) => `mysql://root@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    connect,
    [Symbol.asyncDispose]: stop,
  };
}
