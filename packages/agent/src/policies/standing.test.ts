import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { serve } from '../../test/policy-bench.ts';
import { startApp, startTarget } from '../../test/target.ts';
import type { Policy } from '../protocol.ts';

const shedding: Policy = {
  kind: 'shed-load',
  maxConcurrent: 1,
  maxWaiting: 0,
  targetDelayMs: 50,
  intervalMs: 500,
  retryAfterSeconds: 2,
  exempt: [],
};

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-standing-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileOf(name: string, content: string): Promise<{ readonly ANNEAL_POLICIES: string }> {
  const path = join(folder, name);
  await writeFile(path, content);
  return { ANNEAL_POLICIES: path };
}

const filed = (name: string, policies: readonly object[]) => fileOf(name, JSON.stringify({ policies }));

async function freePort(): Promise<number> {
  await using served = await serve(() => undefined);
  return served.port;
}

/** Whom of ten that come at the same time the application answers. */
const statusesOf = async (get: (path: string) => Promise<Response>) =>
  (await Promise.all(Array.from({ length: 10 }, () => get('/a')))).map(({ status }) => status);

test.concurrent('a file of policies is in force without Anneal, longer than the silence that ends others, and nothing is said', async ({
  expect,
}) => {
  const env = { ...(await filed('shed.json', [shedding])), ANSWER_MS: '200' };
  await using app = await startApp('overloaded.mjs', env);
  await expect.poll(async () => (await statusesOf(app.get)).filter((status) => status === 503).length, { timeout: 5_000 }).toBe(9);
  await sleep(3_500);
  const answers = await Promise.all(Array.from({ length: 10 }, () => app.get('/a')));
  const refused = answers.filter(({ status }) => status === 503);
  expect(refused).toHaveLength(9);
  expect(refused.map(({ headers }) => [headers.get('anneal-refused'), headers.get('retry-after')])).toEqual(
    refused.map(() => ['shed-load', '2']),
  );
  expect(app.output()).toBe('');
});

test.concurrent.for<readonly [what: string, content: string | null, said: string]>([
  ['is not there', null, 'ENOENT'],
  ['is no JSON', '{ "policies": [', 'no policy is in force'],
  [
    'misses a limit',
    JSON.stringify({ policies: [shedding, { kind: 'limit-pool-waiting', pool: 'a.js:1' }] }),
    'maxWaiting is missing: a whole number from 0',
  ],
  ['names what needs Anneal', JSON.stringify({ kind: 'pool-size', pool: 'a.js:1', max: 5 }), 'cannot act without Anneal'],
])('a file that %s leaves the application as it is, and says so once', async ([what, content, said], { expect }) => {
  const env = content === null ? { ANNEAL_POLICIES: join(folder, 'missing.json') } : await fileOf(`wrong ${what}.json`, content);
  await using app = await startApp('overloaded.mjs', { ...env, ANSWER_MS: '5' });
  await expect.poll(app.output).toContain(said);
  expect(await statusesOf(app.get)).toEqual(Array.from({ length: 10 }, () => 200));
  expect(app.output().match(/anneal: /g)).toHaveLength(1);
  expect(app.output()).toContain('ANNEAL_POLICIES=');
  expect(await app.finish()).toBe(0);
});

test.concurrent('who is refused shows in the exported figures, which are never refused themselves', async ({ expect }) => {
  const port = await freePort();
  const env = { ...(await filed('exported.json', [shedding])), ANSWER_MS: '300', ANNEAL_PROMETHEUS_PORT: String(port) };
  await using app = await startApp('overloaded.mjs', env);
  const scrape = () => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text());
  await expect.poll(scrape).toContain('anneal_policy_on{anneal_policy="standing/1-shed-load"} 1');
  const statuses = statusesOf(app.get);
  expect(await scrape()).toContain('process_cpu_time');
  expect((await statuses).filter((status) => status === 503)).toHaveLength(9);
  expect(await scrape()).toContain('anneal_policy_refused_total{anneal_policy="standing/1-shed-load"} 9');
  expect(app.output()).toBe('');
});

test.concurrent('a pool is limited once the application has made it', async ({ expect }) => {
  await using database = await createTestDatabase('SELECT 1');
  const pool = 'packages/agent/test/apps/overloaded.mjs:12';
  const env = { ...(await filed('pool.json', [{ kind: 'limit-pool-waiting', pool, maxWaiting: 1 }])), DATABASE_URL: database.url };
  await using app = await startApp('overloaded.mjs', env);
  expect(await (await app.get('/pool')).text()).toBe('made');
  const refusals = async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => app.get('/query')));
    return (await Promise.all(answers.map((answer) => answer.text()))).toSorted();
  };
  await expect.poll(refusals, { timeout: 8_000 }).toEqual(['ANNEAL_POOL_FULL', 'ANNEAL_POOL_FULL', 'queried', 'queried']);
  expect(app.output()).toBe('');
});

test.concurrent('Anneal sees what stands, cannot put a second of its kind in force, and takes nothing away as it leaves', async ({
  expect,
}) => {
  const env = { ...(await filed('both.json', [shedding])), ANSWER_MS: '200' };
  await using target = await startTarget('overloaded.mjs', env);
  await expect.poll(async () => (await target.flush()).policies.map(({ id }) => id)).toEqual(['standing/1-shed-load']);
  expect(await target.ask({ type: 'apply-policy', policyId: 'mine', policy: shedding })).toMatchObject({
    type: 'refused',
    reason: 'load is already shed by the policy standing/1-shed-load',
  });
  await statusesOf(target.get);
  expect((await target.flush()).policies).toMatchObject([{ on: true, figures: { admitted: 1, refused: 9 } }]);
  target.loseListener();
  await sleep(200);
  expect((await statusesOf(target.get)).filter((status) => status === 503)).toHaveLength(9);
});
