import { once } from 'node:events';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { serve } from '../../test/policy-bench.ts';
import { startApp } from '../../test/target.ts';
import type { FromAgent } from '../protocol.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'attendance-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function holderAt(path: string): Promise<Server> {
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  return server;
}

async function freePort(): Promise<number> {
  await using served = await serve(() => undefined);
  return served.port;
}

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('SKIPPED: a socket of somebody else; only root can give one away\n');

test.skipIf(!isRoot)('nobody else than the own user and root may hold, and that is said once', async () => {
  const path = join(folder, 'hold.sock');
  const server = await holderAt(path);
  await chown(path, 54_321, 54_321);
  let met = 0;
  server.on('connection', () => (met += 1));
  await using app = await startApp('bare.mjs', { ANNEAL_HOLD: path });
  await expect.poll(app.output, { timeout: 5_000 }).toContain('it belongs to the user 54321');
  await sleep(1_200);
  expect(met).toBe(0);
  expect(app.output().match(/anneal: /g)).toHaveLength(1);
  expect((await app.get('/things/1')).status).toBe(200);
  server.close();
});

test('figures are exported whether a holder is there or not, and the application ends as if there were none', async () => {
  const path = join(folder, 'hold.sock');
  const port = await freePort();
  await using app = await startApp('bare.mjs', { ANNEAL_HOLD: path, ANNEAL_PROMETHEUS_PORT: String(port) });
  const counted = async () => {
    await (await app.get('/things/1')).text();
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/http_server_request_duration_seconds_count\{[^}]*\} (\d+)/.exec(text)?.[1] ?? 0);
  };
  await expect.poll(counted, { timeout: 5_000 }).toBeGreaterThan(0);
  for (let time = 0; time < 2; time += 1) {
    const server = await holderAt(path);
    const [socket] = (await once(server, 'connection')) as [Socket];
    const [line] = (await once(createInterface(socket), 'line')) as [string];
    expect((JSON.parse(line) as FromAgent).type).toBe('hello');
    const before = await counted();
    expect(await counted()).toBe(before + 1);
    server.close();
    socket.destroy();
    await sleep(50);
    expect(await counted()).toBe(before + 2);
  }
  expect(app.output()).toBe('');
  expect(await app.finish()).toBe(0);
});
