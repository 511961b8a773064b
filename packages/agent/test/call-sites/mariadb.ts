import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';

const server = ['/usr/sbin/mariadbd', '/usr/libexec/mariadbd', '/usr/local/bin/mariadbd'].find((path) => existsSync(path));
const installer = ['/usr/bin/mariadb-install-db', '/usr/local/bin/mariadb-install-db'].find((path) => existsSync(path));

/** Whether MariaDB is installed here. */
export const mariadbIsInstalled = server !== undefined && installer !== undefined;

export interface Mariadb extends AsyncDisposable {
  readonly url: string;
}

/** A server of its own with a database `shop` made by `setup`, gone when disposed. */
export async function startMariadb(setup: string): Promise<Mariadb> {
  if (server === undefined || installer === undefined) throw new Error('MariaDB is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'mariadb-test-'));
  const data = join(folder, 'data');
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  await promisify(execFile)(installer, [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...user,
  ]);
  const port = await freePort();
  const process_ = spawn(
    server,
    [
      '--no-defaults',
      `--datadir=${data}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--socket=${join(folder, 's')}`,
      '--skip-name-resolve',
      ...user,
    ],
    { stdio: 'ignore' },
  );
  const exited = once(process_, 'exit');
  const address = `mysql://root@127.0.0.1:${port}`;
  await whenReady(address, `CREATE DATABASE shop; USE shop; ${setup}`);
  return {
    url: `${address}/shop`,
    async [Symbol.asyncDispose]() {
      process_.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function whenReady(uri: string, setup: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const connection = await createConnection({ uri, multipleStatements: true });
      await connection.query(setup);
      await connection.end();
      return;
    } catch (error) {
      if (attempt >= 100 || (error as { readonly code?: unknown }).code !== 'ECONNREFUSED') throw error;
      await sleep(100);
    }
  }
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  listener.close();
  return port;
}
