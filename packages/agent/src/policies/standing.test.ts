import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, test, type ExpectStatic } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { serve } from '../../test/policy-bench.ts';
import { startApp, startTarget } from '../../test/target.ts';
import { silenceMs, type Policy } from '../protocol.ts';

const shedding: Policy = {
  kind: 'shed-load',
  maxConcurrent: 1,
  maxWaiting: 0,
  targetDelayMs: 50,
  intervalMs: 500,
  retryAfterSeconds: 2,
  exempt: ['/waiting', '/release'],
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

type Get = (path: string) => Promise<Response>;

/** Answers to ten that are there at the same time: whom the application lets in is answered once the others have been refused. */
async function tenAtOnce(get: Get, expect: ExpectStatic): Promise<readonly Response[]> {
  const answers: Response[] = [];
  const asked = Array.from({ length: 10 }, async () => void answers.push(await get('/held')));
  await expect.poll(async () => answers.length + Number(await (await get('/waiting')).text())).toBe(10);
  await get('/release');
  await Promise.all(asked);
  return answers;
}

const refusedOf = async (get: Get, expect: ExpectStatic) =>
  (await tenAtOnce(get, expect)).filter(({ status, headers }) => status === 503 && headers.get('anneal-refused') === 'shed-load').length;

test.concurrent('a file of policies is in force without Anneal, longer than the silence that ends others, and nothing is said', async ({
  expect,
}) => {
  await using app = await startApp('overloaded.mjs', await filed('shed.json', [shedding]));
  await expect.poll(() => refusedOf(app.get, expect)).toBe(9);
  await sleep(silenceMs + 500);
  const answers = await tenAtOnce(app.get, expect);
  expect(answers.map(({ headers }) => headers.get('retry-after')).filter((told) => told !== null)).toEqual(
    Array.from({ length: 9 }, () => '2'),
  );
  expect(app.output()).toBe('');
});

test.concurrent.for<readonly [what: string, content: string | null, said: string]>([
  ['is not there', null, 'ENOENT'],
  ['is no JSON', '{ "policies": [', 'no policy is in force'],
  ['misses a limit', JSON.stringify({ policies: [shedding, { kind: 'limit-pool-waiting', pool: 'a.js:1' }] }), 'maxWaiting is missing'],
  ['names what needs Anneal', JSON.stringify({ kind: 'pool-size', pool: 'a.js:1', max: 5 }), 'cannot act without Anneal'],
])('a file that %s leaves the application as it is, and says so once', async ([what, content, said], { expect }) => {
  const env = content === null ? { ANNEAL_POLICIES: join(folder, 'missing.json') } : await fileOf(`${what}.json`, content);
  await using app = await startApp('overloaded.mjs', env);
  await expect.poll(app.output).toContain(said);
  expect(await refusedOf(app.get, expect)).toBe(0);
  expect(app.output().match(/anneal: /g)).toHaveLength(1);
  expect(app.output()).toContain('ANNEAL_POLICIES=');
  expect(await app.finish()).toBe(0);
});

test.concurrent('who is refused shows in the exported figures, which are never refused themselves', async ({ expect }) => {
  const port = await freePort();
  const env = { ...(await filed('exported.json', [shedding])), ANNEAL_PROMETHEUS_PORT: String(port) };
  await using app = await startApp('overloaded.mjs', env);
  const scrape = () => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text());
  await expect.poll(scrape).toContain('anneal_policy_on{anneal_policy="standing/1-shed-load"} 1');
  const held = app.get('/held');
  await expect.poll(async () => (await app.get('/waiting')).text()).toBe('1');
  expect((await app.get('/held')).status).toBe(503);
  expect(await scrape()).toContain('anneal_policy_refused_total{anneal_policy="standing/1-shed-load"} 1');
  await app.get('/release');
  expect((await held).status).toBe(200);
  expect(app.output()).toBe('');
});

test.concurrent('a pool is limited once the application has made it', async ({ expect }) => {
  await using database = await createTestDatabase('SELECT 1');
  const pool = 'packages/agent/test/apps/overloaded.mjs:20';
  const env = { ...(await filed('pool.json', [{ kind: 'limit-pool-waiting', pool, maxWaiting: 1 }])), DATABASE_URL: database.url };
  await using app = await startApp('overloaded.mjs', env);
  await app.get('/pool');
  const answers = async () =>
    (await Promise.all(Array.from({ length: 4 }, () => app.get('/query').then((answer) => answer.text())))).toSorted();
  await expect.poll(answers).toEqual(['ANNEAL_POOL_FULL', 'ANNEAL_POOL_FULL', 'queried', 'queried']);
  expect(app.output()).toBe('');
});

test.concurrent('Anneal sees what stands, cannot put a second of its kind in force, and takes nothing away as it leaves', async ({
  expect,
}) => {
  await using target = await startTarget('overloaded.mjs', await filed('both.json', [shedding]));
  await expect.poll(async () => (await target.flush()).policies.map(({ id }) => id)).toEqual(['standing/1-shed-load']);
  expect(await target.ask({ type: 'apply-policy', policyId: 'mine', policy: shedding })).toMatchObject({
    type: 'refused',
    reason: 'load is already shed by the policy standing/1-shed-load',
  });
  expect(await refusedOf(target.get, expect)).toBe(9);
  expect((await target.flush()).policies).toMatchObject([{ on: true, figures: { admitted: 1, refused: 9 } }]);
  target.loseListener();
  await sleep(200);
  expect(await refusedOf(target.get, expect)).toBe(9);
});
