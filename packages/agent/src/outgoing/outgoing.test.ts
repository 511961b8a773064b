import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { schemaSql } from '../../test/apps/schema.ts';
import { appFile, startTarget, type Target } from '../../test/target.ts';
import type { AgentSummary, OutgoingSummary, RouteSummary } from '../protocol.ts';

const app = 'services.mjs';

/** Each question below has a window of its own. */
let target: Target;
beforeAll(async () => {
  target = await startTarget(app);
});
afterAll(async () => target[Symbol.asyncDispose]());

function lineOf(code: string): number {
  const lines = readFileSync(appFile(app), 'utf8').split('\n');
  const found = lines.flatMap((line, index) => (line.includes(code) ? [index + 1] : []));
  if (found.length !== 1) throw new Error(`${app} holds ${JSON.stringify(code)} ${found.length} times`);
  return found[0]!;
}

interface Seen {
  readonly route: RouteSummary;
  /** The only thing that the route asked for elsewhere. */
  readonly outgoing: OutgoingSummary;
  readonly all: readonly OutgoingSummary[];
  readonly peer: string;
  readonly summary: AgentSummary;
}

async function ask(target: Target, path: string, times = 1): Promise<Seen> {
  let peer = '';
  for (let time = 0; time < times; time += 1) peer = await (await target.get(`/app${path}`)).text();
  const summary = await target.flush();
  const route = summary.routes.find((candidate) => candidate.route === `/app${path}`);
  if (route === undefined) throw new Error(`no route ${path}`);
  expect(summary.problems).toEqual([]);
  return { route, outgoing: route.outgoing[0]!, all: route.outgoing, peer, summary };
}

test('a loop of fetches is counted at its line, by operation without ids and query', async () => {
  const { outgoing, all, peer, route } = await ask(target, '/loop', 3);
  expect(all).toHaveLength(1);
  expect(outgoing).toMatchObject({
    kind: 'http',
    peer,
    operation: 'GET /users/:id',
    via: null,
    location: { file: appFile(app), line: lineOf('?fields=name') },
    calls: 12,
    errors: 0,
    requests: 3,
    maxCallsPerRequest: 4,
    repeatingRequests: 3,
    repeatingCalls: 12,
    distinctCallsShare: 1,
    duplicateCalls: 0,
    overlappingShare: 0,
    withoutTimeout: 12,
    retries: 0,
    unreadAnswers: 0,
    insideTransactionCalls: 0,
  });
  // fetch opens a second connection when the first is not back yet, and then keeps both.
  expect(outgoing.connectionsOpened).toBeLessThanOrEqual(2);
  expect(outgoing.connectionsOpened + outgoing.connectionsReused).toBe(12);
  expect(outgoing.connectMs).toBeGreaterThan(0);
  expect(route.outgoingMs).toBeCloseTo(outgoing.totalMs, 6);
  expect(route.redisMs).toBe(0);
});

test('calls side by side overlap, count once in the wall time, and have their signals seen', async () => {
  const { outgoing, route } = await ask(target, '/fan-out', 2);
  expect(outgoing).toMatchObject({ calls: 8, distinctCallsShare: 1, overlappingShare: 0.75, withoutTimeout: 0 });
  expect(outgoing.location).toMatchObject({ line: lineOf('AbortSignal.timeout(1000) })).text()') });
  expect(route.outgoingMs).toBeLessThan(outgoing.totalMs);
});

test('the same question again is a duplicate, the same call again after a failure a retry', async () => {
  expect((await ask(target, '/again')).outgoing).toMatchObject({ calls: 4, duplicateCalls: 3, retries: 0, distinctCallsShare: 0.25 });
  const { outgoing } = await ask(target, '/flaky', 2);
  expect(outgoing).toMatchObject({
    operation: 'POST /flaky',
    calls: 6,
    errors: 4,
    retries: 4,
    mostAttempts: 3,
    duplicateCalls: 0,
  });
  // Of four that come at once a machine whose cores are taken may hold some up.
  expect(outgoing.promptRetries).toBeGreaterThan(0);
  expect(outgoing.shortestRetryGapMs).toBeLessThan(10);
  expect(outgoing.retryMs).toBeGreaterThan(0);
  const patient = (await ask(target, '/patient', 2)).outgoing;
  expect(patient).toMatchObject({ calls: 6, retries: 4, promptRetries: 0 });
  expect(patient.shortestRetryGapMs).toBeGreaterThanOrEqual(19);
});

test('a redirect belongs to the call that followed it; what nobody answers has failed', async () => {
  expect((await ask(target, '/moved', 2)).all).toMatchObject([{ operation: 'GET /moved', calls: 2, errors: 0, unreadAnswers: 0 }]);
  expect((await ask(target, '/refused')).outgoing).toMatchObject({ peer: '127.0.0.1:1', operation: 'GET /closed/:id', errors: 1 });
});

test('of node:http it is seen whether connections are kept, and whether anything limits the time', async () => {
  expect((await ask(target, '/one-by-one')).outgoing).toMatchObject({ connectionsOpened: 2, connectionsReused: 0, keepAliveRefused: 0 });
  // A signal limits, a listener to `timeout` too; an option that nobody listens to does not.
  const kept = await ask(target, '/kept');
  expect(kept.outgoing).toMatchObject({ calls: 3, connectionsOpened: 1, connectionsReused: 2, withoutTimeout: 1, keepAliveRefused: 0 });
  expect(kept.outgoing.location).toMatchObject({ line: lineOf('const request = get(url') });
  // Most calls have no stack taken: what was seen of the others holds for them.
  expect((await ask(target, '/kept', 30)).outgoing).toMatchObject({ calls: 90, withoutTimeout: 30 });
  expect((await ask(target, '/rude', 2)).outgoing).toMatchObject({ keepAliveRefused: 2, unreadAnswers: 0 });
  // The destination is known from elsewhere: the new route's first call has no stack, the next ones do. Undici's signals are not seen.
  const direct = (await ask(target, '/undici', 3)).all;
  expect(direct.map(({ via }) => via)).toContain('undici');
  expect(direct.map(({ withoutTimeout }) => withoutTimeout)).toEqual(direct.map(() => 0));
});

test('an answer that nobody reads is a wait only as far as nothing else went on', async () => {
  const { outgoing } = await ask(target, '/webhook', 2);
  expect(outgoing).toMatchObject({ operation: 'POST /slow', unreadAnswers: 2 });
  expect(outgoing.unreadWaitMs).toBeGreaterThan(2 * 125);
  expect((await ask(target, '/webhooks-together')).outgoing).toMatchObject({ unreadAnswers: 2, unreadWaitMs: 0 });
});

test('a transaction that waits for a call is told apart from one beside it', async () => {
  await using database = await createTestDatabase(schemaSql);
  await using withDatabase = await startTarget(app, { DATABASE_URL: database.url });
  const { all } = await ask(withDatabase, '/in-transaction');
  const [slow, after] = all;
  expect(slow).toMatchObject({
    operation: 'GET /slow',
    insideTransactionCalls: 1,
    location: { line: lineOf('while the transaction waits') },
  });
  expect(slow!.insideTransactionMs).toBeGreaterThan(125);
  expect(after).toMatchObject({ operation: 'GET /users/:id', insideTransactionCalls: 0, insideTransactionMs: 0 });
  expect((await ask(withDatabase, '/beside-a-transaction')).outgoing).toMatchObject({ insideTransactionCalls: 0 });
});

test('the statement whose rows held the ids of a loop of calls is named', async () => {
  await using database = await createTestDatabase(schemaSql);
  await using withDatabase = await startTarget(app, { DATABASE_URL: database.url });
  const { outgoing, summary } = await ask(withDatabase, '/from-rows', 3);
  const parent = summary.statementTexts.find(({ templateId }) => templateId === outgoing.parentTemplateId);
  expect(parent?.template).toMatch(/^SELECT id, author_id FROM posts/);
});

test('a failure that the application leaves unhandled stays unhandled, and what it throws is its own', async () => {
  const { peer: told } = await ask(target, '/errors');
  expect(JSON.parse(told)).toEqual({ rejected: ['TypeError', 'TypeError', 'AbortError'], unhandled: 1, name: 'fetch', length: 1 });
});
