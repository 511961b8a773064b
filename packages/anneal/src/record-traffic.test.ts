import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createOutside } from './adapters/outside.ts';
import { parseConfig, resolveSettings } from './config.ts';
import { silentProgress } from './ports/progress.ts';
import { recordTraffic } from './record-traffic.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'record-test-'));
  await writeFile(
    join(folder, 'server.mjs'),
    `import { createServer } from 'node:http';
createServer((request, response) => {
  response.statusCode = request.url.startsWith('/gone') ? 404 : 200;
  response.end('{}');
}).listen(process.env.PORT, '127.0.0.1');`,
  );
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const outside = await createOutside();
const settings = (record?: object, start = 'exec node server.mjs') =>
  resolveSettings(
    parseConfig({ target: { start }, workload: { urls: ['/'] }, ...(record === undefined ? {} : { record }) }, 'x'),
    folder,
    {},
  );
const options = (signal = new AbortController().signal, progress = silentProgress) => ({ outside, progress, signal, durationMs: 2500 });

test('what users ask for while it is recorded becomes the workload: no secret, no write, nothing that failed', async () => {
  const port = await outside.processes.freePort();
  const begun = Promise.withResolvers<void>();
  const stage = (title: string) => void (title.startsWith('Recording') && begun.resolve());
  const recording = recordTraffic(settings({ consent: true, port }), options(undefined, { ...silentProgress, stage }));
  const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init).then((answer) => answer.status);
  await Promise.race([begun.promise, recording]);
  for (const id of [3, 4, 4, 5]) await ask(`/items/${id}?api_key=very-secret`, { headers: { authorization: 'Bearer very-secret' } });
  await ask('/items', { method: 'POST', body: 'very-secret' });
  await ask('/gone');
  const { workload, problems } = await recording;
  expect(workload.scenarios.find(({ name }) => name === 'GET /items/:id')).toEqual({
    name: 'GET /items/:id',
    weight: 4,
    steps: [{ method: 'GET', path: '/items/{items_id}?api_key=redacted' }],
  });
  expect(workload.variables['items_id']).toEqual({ type: 'one-of', values: ['3', '4', '4', '5'] });
  expect(problems).toEqual(
    expect.arrayContaining([
      '1 requests were answered with 400 or above and left out',
      '1 requests may write and were left out; --writes takes them',
    ]),
  );
  const written = await Promise.all(
    (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => readFile(join(entry.parentPath, entry.name), 'utf8')),
  );
  expect(written.join('') + JSON.stringify(workload)).not.toContain('very-secret');
  await expect(ask('/ready')).rejects.toThrow('fetch failed');
});

test('of a cluster one worker is recorded, and that is said', async () => {
  const cluster = `import cluster from 'node:cluster';
if (cluster.isPrimary) {
  for (const _ of [1, 2]) cluster.fork();
  process.on('SIGTERM', () => process.exit());
} else await import('./server.mjs');`;
  await writeFile(join(folder, 'cluster.mjs'), cluster);
  const port = await outside.processes.freePort();
  const begun = Promise.withResolvers<void>();
  const stage = (title: string) => void (title.startsWith('Recording') && begun.resolve());
  const recording = recordTraffic(
    settings({ consent: true, port }, 'exec node cluster.mjs'),
    options(undefined, { ...silentProgress, stage }),
  );
  await Promise.race([begun.promise, recording]);
  // Side by side each has a connection of its own: the workers take turns, and the one that is heard gets some.
  await Promise.all(Array.from({ length: 8 }, () => fetch(`http://127.0.0.1:${port}/items/3`)));
  const { problems } = await recording;
  expect(problems).toContain('2 processes answered, as workers of a cluster do, and only what one of them was asked was recorded');
});

test('without consent nothing is started', async () => {
  expect(() => recordTraffic(settings(), options())).toThrow(expect.objectContaining({ code: 'ANNEAL_RECORDING_REFUSED' }) as Error);
});

test('an interrupted recording ends the backend it started', async () => {
  const port = await outside.processes.freePort();
  const interruption = new AbortController();
  const recording = recordTraffic(settings({ consent: true, port }), options(interruption.signal));
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/`).catch(() => null)) !== null;
  while (!(await ready())) await sleep(20);
  await sleep(200);
  interruption.abort(new Error('enough'));
  await expect(recording).rejects.toThrow('enough');
  expect(await ready()).toBe(false);
});
