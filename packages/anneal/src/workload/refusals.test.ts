import { expect, test } from 'vitest';
import { startTestServer } from './fixtures/test-server.ts';
import { aScenario, aWorkload } from './fixtures/workloads.ts';
import { openLoad } from './load-session.ts';

const workload = aWorkload({
  executor: { type: 'constant-arrival-rate', ratePerSecond: 200, arrivals: 'poisson' },
  scenarios: [aScenario({ method: 'GET', path: '/' })],
});

/** Of three requests one is answered, one refused by the agent, and one told by the application itself that it is too busy. */
async function startBusyServer() {
  let number = 0;
  return startTestServer((_request, response) => {
    number += 1;
    if (number % 3 === 0) {
      response.writeHead(503).end();
      return;
    }
    if (number % 3 === 1) {
      response.writeHead(503, { 'anneal-refused': 'shed-load', 'retry-after': '1' }).end();
      return;
    }
    setTimeout(() => response.end('answered'), 20);
  });
}

test('what a policy refuses is counted apart from what the application fails at, and is in no time', async () => {
  await using server = await startBusyServer();
  await using session = await openLoad(workload, { baseUrl: server.baseUrl });
  const { requests, failedRequests, refusedRequests, serviceTimeUs, steps, validity } = await session.run({ durationMs: 600, seed: 1 });
  expect(refusedRequests).toBe(Math.ceil(requests / 3));
  expect(failedRequests - refusedRequests!).toBe(Math.floor(requests / 3));
  expect(serviceTimeUs.count).toBe(requests - refusedRequests!);
  expect(steps[0]!.responseTimeUs.count).toBe(requests - refusedRequests!);
  // They were in flight: Little's law holds all the same.
  expect(validity.problems.filter((problem) => problem.includes('in flight'))).toEqual([]);
});

test('where only answers are to be timed, failures are in no time either', async () => {
  await using server = await startBusyServer();
  await using session = await openLoad(workload, { baseUrl: server.baseUrl, timesFailures: false });
  const { requests, failedRequests, serviceTimeUs } = await session.run({ durationMs: 300, seed: 1 });
  expect(failedRequests).toBeGreaterThan(0);
  expect(serviceTimeUs.count).toBe(requests - failedRequests);
  expect(serviceTimeUs.min).toBeGreaterThan(15_000);
});

test('for comparing answers a refused request is sent again when it was told to come back', async () => {
  let refusals = 2;
  await using server = await startTestServer((_request, response) => {
    refusals -= 1;
    if (refusals >= 0) response.writeHead(429, { 'anneal-refused': 'limit-rate', 'retry-after': '1' }).end();
    else response.end('answered');
  });
  await using session = await openLoad(workload, { baseUrl: server.baseUrl });
  const answers = await session.replay({ count: 2, seed: 1 });
  expect(answers.map(({ status, body }) => [status, body])).toEqual([
    [200, 'answered'],
    [200, 'answered'],
  ]);
  expect(server.seen).toHaveLength(4);
});

test('nobody waits for longer than a minute: the refusal is the answer then', async () => {
  await using server = await startTestServer((_request, response) => {
    response.writeHead(429, { 'anneal-refused': 'limit-rate', 'retry-after': '3600' }).end();
  });
  await using session = await openLoad(workload, { baseUrl: server.baseUrl });
  expect(await session.replay({ count: 1, seed: 1 })).toMatchObject([{ status: 429, headers: { 'anneal-refused': 'limit-rate' } }]);
});
