import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/test-database.ts';
import { appFile, startTarget, type Target } from '../../test/target.ts';
import type { AgentSummary, RouteSummary, ShownSummary } from '../protocol.ts';

/** What an answer wastes and where a process blocks itself, on a real server; the facts only, what they mean is Anneal's. */
let database: TestDatabase;
let target: Target;

beforeAll(async () => {
  database = await createTestDatabase();
  target = await startTarget('waste.mjs', { DATABASE_URL: database.url });
});

afterAll(async () => {
  await target[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function ask(path: string, times: number, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  for (let time = 0; time < times; time += 1) await (await target.get(path, { headers })).arrayBuffer();
}

function routeOf(summary: AgentSummary, route: string): RouteSummary {
  const found = summary.routes.find((candidate) => candidate.route === route);
  if (found === undefined) throw new Error(`no route ${route}`);
  return found;
}

function lineOf(code: string): number {
  const lines = readFileSync(appFile('waste.mjs'), 'utf8').split('\n');
  const found = lines.flatMap((line, index) => (line.includes(code) ? [index + 1] : []));
  if (found.length !== 1) throw new Error(`the application holds ${JSON.stringify(code)} ${found.length} times`);
  return found[0]!;
}

/** Ten answers a second are compared with their rows. */
const nextSecond = () => sleep(1_000);

const takesAll = { 'accept-encoding': 'gzip, br' };

test('large answers that could have been compressed are told from those that could not, with what it would have brought', async () => {
  await ask('/articles', 4, takesAll);
  await ask('/streamed', 2, takesAll);
  await ask('/huge', 1, takesAll);
  await ask('/short', 2, takesAll);
  await ask('/packed', 2, takesAll);
  await ask('/picture', 2, takesAll);
  await ask('/validated', 2, { 'accept-encoding': 'gzip;q=0, identity' });
  const summary = await target.flush();
  const answersOf = (route: string) => routeOf(summary, route).answers!;
  expect(answersOf('/articles')).toMatchObject({ examined: 4, large: 4, uncompressed: 4 });
  // Chunked framing is on the wire and not in the body.
  expect(routeOf(summary, '/articles').responseBytes - answersOf('/articles').bodyBytes).toBeLessThan(4 * 20);
  expect(answersOf('/articles').sampledBytes).toBe((3 / 4) * answersOf('/articles').bodyBytes);
  expect(answersOf('/articles').sampledCompressedBytes * 4).toBeLessThan(answersOf('/articles').sampledBytes);
  expect(answersOf('/streamed')).toMatchObject({ large: 2, uncompressed: 2 });
  expect(answersOf('/streamed').sampledBytes).toBeGreaterThan(0);
  expect(answersOf('/huge')).toMatchObject({ uncompressed: 1, reads: 0, sampledBytes: 256 * 1024 });
  for (const route of ['/short', '/packed', '/picture']) expect(answersOf(route)).toMatchObject({ examined: 2, large: 0, uncompressed: 0 });
  expect(answersOf('/validated')).toMatchObject({ large: 2, uncompressed: 0, sampledBytes: 0 });
});

test('answers that were equal again are counted for the same client in the same words only', async () => {
  await ask('/articles', 3, { authorization: 'Bearer one' });
  await ask('/articles', 2, { authorization: 'Bearer two' });
  await ask('/articles?page=2', 1, { authorization: 'Bearer two' });
  await ask('/fresh', 3);
  await ask('/validated', 2);
  const summary = await target.flush();
  const { bodyBytes, ...answers } = routeOf(summary, '/articles').answers!;
  expect(answers).toMatchObject({
    reads: 6,
    identifiedReads: 6,
    withValidator: 0,
    withCacheControl: 0,
    repeats: 3,
    equalRepeats: 3,
    equalRepeatBytes: bodyBytes / 2,
  });
  expect(routeOf(summary, '/fresh').answers).toMatchObject({ reads: 3, repeats: 2, equalRepeats: 0, equalRepeatBytes: 0 });
  expect(routeOf(summary, '/validated').answers).toMatchObject({ reads: 2, withValidator: 2, equalRepeats: 1 });
  expect(routeOf(summary, '/articles').answeredAt).toMatchObject({
    file: appFile('waste.mjs'),
    line: lineOf('response.end(JSON.stringify(value))'),
  });
});

function shownOf(summary: AgentSummary, route: string): ShownSummary | null {
  const documents = summary.statementTexts.find(({ template }) => template.includes('generate_series'))!.templateId;
  return routeOf(summary, route).statements.find(({ templateId }) => templateId === documents)!.shown;
}

test('columns that never reach the answer are told from those that do, go into another statement, or are not there', async () => {
  await nextSecond();
  await ask('/columns', 5);
  await nextSecond();
  await ask('/excerpts', 5);
  await ask('/summed', 5);
  const summary = await target.flush();
  const columns = shownOf(summary, '/columns')!;
  expect(columns).toMatchObject({ comparisons: 5, rows: 100, shownRows: 100 });
  expect(columns.columns.map(({ name, shown }) => [name, shown])).toEqual([
    ['id', 5],
    ['title', 5],
    ['body', 0],
    ['kind', 0],
    ['owner_id', 5],
    ['gone', 0],
  ]);
  expect(columns.columns.find(({ name }) => name === 'body')!.sizeBytes).toBeGreaterThan(5 * 20 * 40 * 7);
  expect(columns.columns.find(({ name }) => name === 'gone')!.sizeBytes).toBe(0);
  // A part of a text is a use of it, and what is embedded cannot be counted.
  expect(shownOf(summary, '/excerpts')).toMatchObject({
    rows: 0,
    columns: expect.arrayContaining([expect.objectContaining({ name: 'body', shown: 5 })]),
  });
  // Nothing of the rows is in the answer: they were computed with.
  expect(shownOf(summary, '/summed')).toBe(null);
});

test('rows that the application drops are counted', async () => {
  await nextSecond();
  await ask('/rows', 3);
  const shown = shownOf(await target.flush(), '/rows')!;
  expect(shown).toMatchObject({ comparisons: 3, rows: 1200 });
  // Ten of 400 rows each time, seen through 200 of them.
  expect(shown.shownRows).toBeGreaterThan(0);
  expect(shown.shownRows).toBeLessThan(90);
});

test('synchronous calls are timed at their line, however the application came by the function; short and nested ones too', async () => {
  await ask('/synchronous', 4);
  await ask('/hashed', 2);
  const summary = await target.flush();
  const calls = routeOf(summary, '/synchronous').synchronousCalls;
  expect(new Map(calls.map(({ name, calls, requests }) => [name, [calls, requests]]))).toEqual(
    new Map([
      ['fs.existsSync', [4, 4]],
      ['fs.readFileSync', [4, 4]],
      ['zlib.gunzipSync', [4, 4]],
    ]),
  );
  expect(calls[0]).toMatchObject({ name: 'zlib.gunzipSync', location: { line: lineOf('gunzipSync(stored)'), function: 'readAll' } });
  expect(calls[0]!.longestMs).toBeGreaterThan(0.5);
  const [hashing] = routeOf(summary, '/hashed').synchronousCalls;
  expect(hashing).toMatchObject({ name: 'crypto.pbkdf2Sync', calls: 60, requests: 2, location: { line: lineOf("pbkdf2Sync('word'") } });
});

/** One window with a profile, while the given routes are asked for side by side. */
async function profileOf(paths: readonly string[], times: number): Promise<NonNullable<AgentSummary['profile']>> {
  expect(await target.ask({ type: 'start-profile' })).toMatchObject({ type: 'done' });
  await Promise.all(paths.map((path) => ask(path, times)));
  return (await target.flush()).profile!;
}

test('a function’s time goes to the route it ran for, though others were open meanwhile; short calls one after the other are no stretch', async () => {
  const profile = await profileOf(['/spelled', '/waiting'], 100);
  const spelled = profile.functions.find(({ location }) => location.function === 'spell')!;
  expect(spelled.ownMs).toBeGreaterThan(0.8 * spelled.selfMs);
  expect(spelled.hottestLine).toBe(lineOf('for (let step = 0; step < 5_000'));
  expect(spelled.routes[0]).toMatchObject({ route: '/spelled' });
  expect(spelled.routes[0]!.cpuMs).toBeGreaterThan(0.7 * spelled.selfMs);
  expect(profile.routes[0]).toMatchObject({ route: '/spelled' });
  const blocked = (await profileOf(['/blocked'], 10)).functions.find(({ location }) => location.function === 'spell')!;
  expect(blocked.blockingMs).toBeGreaterThan(0.4 * blocked.selfMs);
  // A machine whose cores are taken samples late, and the sampler says only what is certain.
  expect(blocked.blockingStretches).toBeGreaterThanOrEqual(3);
  // 4 ms each, with turns of the event loop in between; the same machine may now and then take the time of one away.
  expect(spelled.blockingMs / spelled.selfMs).toBeLessThan(blocked.blockingMs / blocked.selfMs / 2);
});

test('who keeps is told by function where full collections leave more and more, and no collection is made where they do not', async () => {
  const calm = await profileOf(['/short'], 10);
  expect(calm.heap).toMatchObject({ survivorsMs: 0, survivors: [], allocators: [] });
  await target.ask({ type: 'start-profile' });
  for (let round = 0; round < 4; round += 1) {
    await ask('/remembered', 10);
    await ask('/collected', 1);
    await sleep(50);
  }
  const heap = (await target.flush()).profile!.heap!;
  const live = heap.fullCollections.map(({ liveBytes }) => liveBytes);
  expect(live.length).toBeGreaterThanOrEqual(4);
  expect(live.at(-1)!).toBeGreaterThan(live[0]!);
  // What V8 inlines counts with the function around it: `remember` with the handler that calls it.
  expect(heap.survivors[0]!.location).toMatchObject({ file: appFile('waste.mjs'), function: expect.stringMatching(/remember/) });
  expect(heap.limitBytes).toBeGreaterThan(100e6);
});

test('who allocates is told where collections took much of the time before', async () => {
  await ask('/collected', 10);
  await target.flush();
  const { heap } = await profileOf(['/discarded'], 10);
  expect(heap!.allocators[0]!.location).toMatchObject({ file: appFile('waste.mjs'), function: expect.stringMatching(/discard/) });
  expect(heap!.allocatedBytes).toBeGreaterThan(1e6);
});

test('while nobody observes nothing is examined', async () => {
  await target.ask({ type: 'observe', on: false });
  await ask('/synchronous', 2);
  await target.ask({ type: 'observe', on: true });
  expect((await target.flush()).routes).toEqual([]);
});
