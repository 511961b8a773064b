import { readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { openWorkshop, type Workshop } from '../../test/call-sites/build-app.ts';
import { schemaSql } from '../../test/apps/schema.ts';
import { hasRedisServer, startRedisServer } from '../../test/redis-server.ts';
import { appFile, startTarget } from '../../test/target.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await openWorkshop();
});
afterAll(async () => {
  await workshop[Symbol.asyncDispose]();
});

const onDisk = (file: string) => relative(dirname(appFile('any')), file);

function lineOf(file: string, code: string): number {
  const found = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line, index) => (line.includes(code) ? [index + 1] : []));
  if (found.length !== 1) throw new Error(`${file} holds ${JSON.stringify(code)} ${found.length} times`);
  return found[0]!;
}

const forms = (['cjs', 'esm'] as const).flatMap((format) => [
  { format },
  { format, sourcemap: 'linked' as const },
  { format, sourcemap: 'inline' as const, minify: true },
]);

test.for(forms)('pg and Fastify inside a bundle are observed to the line, %j', async (form) => {
  await using database = await createTestDatabase(schemaSql);
  const bundle = await workshop.withPackages('fastify-pg', form);
  await using target = await startTarget(onDisk(bundle), { DATABASE_URL: database.url });
  for (let time = 0; time < 10; time += 1) {
    expect(await (await target.get('/posts/4')).json()).toEqual(['author 8', 'author 15', 'author 2', 'author 9']);
    expect(await (await target.get('/client')).json()).toEqual({ posts: 100 });
  }
  const { routes, pools, problems, hooks } = await target.flush();
  expect(problems).toEqual([]);
  expect(hooks).toEqual(expect.arrayContaining(['pg (bundled)', 'pg-pool (bundled)', 'fastify 5.12.8']));

  // Without a map, a place is one in the bundle.
  const file = 'sourcemap' in form ? `${workshop.folder}/fastify-pg.ts` : bundle;
  const at = (code: string) => ({ file, line: lineOf(file, code) });
  const [list, perPost] = routes.find(({ route }) => route === '/posts/:count')!.statements;
  expect(list).toMatchObject({ calls: 10, rows: 40, errors: 0, location: at('SELECT author_id'), parentTemplateId: null });
  expect(perPost).toMatchObject({ calls: 40, rows: 40, repeatingRequests: 10, location: at('SELECT name') });
  expect(perPost?.parentTemplateId).toBe(list?.templateId);
  expect(routes.find(({ route }) => route === '/client')!.statements).toMatchObject([
    { calls: 10, rows: 10, location: at('SELECT count') },
  ]);
  expect(pools).toMatchObject([{ max: 2, checkouts: 60, peakInUse: 1, location: at('DATABASE_URL') }]);
});

test.for([
  { format: 'esm', sourcemap: 'linked' },
  { format: 'cjs', sourcemap: 'inline', minify: true },
] as const)('postgres.js inside a bundle is observed to the line, its loop too: %j', async (form) => {
  await using database = await createTestDatabase(schemaSql);
  const bundle = await workshop.withPackages('postgres-js', form);
  await using target = await startTarget(onDisk(bundle), { DATABASE_URL: database.url });
  expect(target.hello.hooks).toContain('postgres (bundled, not in use yet)');
  for (let time = 0; time < 5; time += 1) expect(await (await target.get('/tagged')).json()).toHaveLength(3);
  const { routes, problems, hooks } = await target.flush();
  expect(problems).toEqual([]);
  expect(hooks).toContain('postgres (bundled)');
  const file = `${workshop.folder}/postgres-js.ts`;
  const [list, perPost] = routes[0]!.statements;
  expect(list).toMatchObject({ calls: 5, rows: 15, location: { file, line: lineOf(file, 'SELECT author_id') } });
  expect(perPost).toMatchObject({
    calls: 15,
    rows: 15,
    location: { file, line: lineOf(file, 'names.push(await') },
    parentTemplateId: list?.templateId,
  });
});

test.skipIf(!hasRedisServer())('ioredis inside a minified bundle is observed to the line', async () => {
  await using server = await startRedisServer();
  const bundle = await workshop.withPackages('ioredis', { format: 'cjs', sourcemap: 'linked', minify: true });
  await using target = await startTarget(onDisk(bundle), { REDIS_URL: server.url });
  expect(target.hello.hooks).toContain('ioredis (bundled)');
  expect(await (await target.get('/loop')).json()).toEqual([null, null, null]);
  const { routes, problems, hooks } = await target.flush();
  expect(problems).toEqual([]);
  expect(hooks).toContain('ioredis (bundled)');
  const file = `${workshop.folder}/ioredis.ts`;
  expect(routes[0]?.outgoing).toMatchObject([
    { kind: 'redis', operation: 'GET', calls: 3, location: { file, line: lineOf(file, 'redis.get(key)') } },
  ]);
});

test('classes that only resemble those of a driver work on as they are', async () => {
  await using target = await startTarget(onDisk(await workshop.withPackages('unlike', { format: 'esm' })));
  expect(await (await target.get('/')).json()).toEqual([
    'answered',
    'answered',
    'never ended',
    'never',
    'class Pool { _pulseQueue() { } }',
  ]);
  const { problems, hooks } = await target.flush();
  expect(problems).toEqual(['pg/lib/client.js in a bundle could not be hooked: its Query is not one that the agent knows']);
  expect(hooks).toEqual(['node:http', 'pg-pool (bundled, not in use yet)']);
});
