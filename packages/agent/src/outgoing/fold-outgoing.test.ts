import { expect, test } from 'vitest';
import { destinationsOf, outgoingTimesOf, type RequestOutgoing } from './fold-outgoing.ts';
import { Destination, Destinations, OutgoingCall } from './outgoing.ts';
import { Problems } from '../problems.ts';
import { alone } from '../requests/following.ts';
import { OpenRequest } from '../requests/request.ts';

const users = new Destination('http', 'users', 'GET /users/:id');
const keys = new Destination('redis', 'cache:6379', 'GET');

function aRequest(): OpenRequest {
  const request = new OpenRequest('GET', 0, alone, true, true, false);
  request.outgoing = [];
  return request;
}

function call(request: OpenRequest, at: number, identity: string | readonly unknown[], destination = users): OutgoingCall {
  const made = new OutgoingCall(destination, request, null, identity, at);
  request.outgoing!.push(made);
  return made;
}

function only(request: OpenRequest, destination = users): RequestOutgoing {
  const { places } = destinationsOf(request).get(destination)!;
  expect(places).toHaveLength(1);
  return places[0]!;
}

test('the same call again is a retry only where the one before it failed and was over', () => {
  const request = aRequest();
  call(request, 0, 'GET /users/1').end(true, 10);
  call(request, 12, 'GET /users/1').end(true, 20);
  call(request, 70, 'GET /users/1').end(false, 75);
  call(request, 80, 'GET /users/1').end(false, 85);
  call(request, 90, 'GET /users/2').end(false, 95);
  expect(only(request)).toMatchObject({
    calls: 5,
    errors: 2,
    retries: 2,
    promptRetries: 1,
    shortestRetryGapMs: 2,
    retryMs: 8 + 5,
    mostAttempts: 3,
    duplicates: 1,
  });
});

test('a hedged call, begun before the first one failed, is no retry', () => {
  const request = aRequest();
  const slow = call(request, 0, 'GET /users/1');
  const hedge = call(request, 5, 'GET /users/1');
  slow.end(true, 10);
  hedge.end(false, 12);
  expect(only(request)).toMatchObject({ retries: 0, duplicates: 1, overlapping: 1 });
});

test('Redis commands are told apart by their arguments, and their time from that of services', () => {
  const request = aRequest();
  call(request, 0, ['user:1'], keys).end(false, 2);
  call(request, 2, ['user:1'], keys).end(false, 4);
  call(request, 4, ['user:2'], keys).end(false, 6);
  call(request, 1, 'GET /users/1').end(false, 30);
  request.closedAt = 20;
  expect(only(request, keys)).toMatchObject({ calls: 3, duplicates: 1 });
  expect(outgoingTimesOf(request)).toEqual({ redisMs: 6, outgoingMs: 19 });
});

test('a transaction that waits for two calls side by side waits once, and not at all while it works', () => {
  const request = aRequest();
  request.openTransactions = 1;
  const [one, other] = [call(request, 0, 'GET /users/1'), call(request, 5, 'GET /users/2')];
  one.end(false, 20);
  other.end(false, 30);
  const beyond = call(request, 40, 'GET /users/3');
  request.openTransactions = 0;
  beyond.end(false, 50);
  expect(only(request)).toMatchObject({ insideTransactionCalls: 2, insideTransactionMs: 30 });
});

test('of a wait for an answer nobody reads only what the request spent on nothing else counts', () => {
  const request = aRequest();
  const hook = call(request, 0, 'POST /hooks');
  hook.answer = { bodyUsed: false };
  const beside = call(request, 50, ['user:1'], keys);
  beside.end(false, 80);
  hook.end(false, 180);
  request.closedAt = 200;
  hook.settle();
  expect(only(request)).toMatchObject({ unreadAnswers: 1, unreadWaitMs: 150 });
});

test('a call that outlives its request is added when it ends', () => {
  const request = aRequest();
  const late = call(request, 0, 'GET /users/1');
  request.closedAt = 5;
  const outgoing = only(request);
  expect(outgoing).toMatchObject({ calls: 1, totalMs: 0, unfinished: [late] });
  late.totals = outgoing;
  late.end(true, 40);
  expect(outgoing).toMatchObject({ totalMs: 40, errors: 1 });
});

test('destinations are bounded per peer and in all, and say so', () => {
  const problems = new Problems();
  const destinations = new Destinations(problems);
  const seen = new Set<Destination>();
  for (let peer = 0; peer < 200; peer += 1)
    for (let path = 0; path < 300; path += 1) seen.add(destinations.of('http', `peer-${peer}`, `GET /${path}`));
  expect(seen.size).toBeLessThanOrEqual(10_000 + 1);
  expect(destinations.of('http', 'peer-0', 'GET /0')).toBe(destinations.of('http', 'peer-0', 'GET /0'));
  expect(destinations.of('http', 'peer-0', 'GET /299').operation).toContain('more operations');
  expect(problems.take()).toEqual([expect.stringContaining('more peers or operations than the agent keeps')]);
});
