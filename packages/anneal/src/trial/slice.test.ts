import { expect, test } from 'vitest';
import { aProbeContext } from '../measurement/fixtures/probe-context.ts';
import { startTestServer } from '../workload/fixtures/test-server.ts';
import { aScenario, aWorkload } from '../workload/fixtures/workloads.ts';
import { openLoad } from '../workload/load-session.ts';
import { takeSlice } from './slice.ts';

const workload = aWorkload({
  executor: { type: 'constant-arrival-rate', ratePerSecond: 200 },
  scenarios: [aScenario({ method: 'GET', path: '/' })],
});

/** A slice of a server of which every other request is refused by a policy, with the CPU time of this process. */
async function refusedHalf(refuses: boolean) {
  let number = 0;
  await using server = await startTestServer((_request, response) => {
    number += 1;
    if (number % 2 === 0) response.writeHead(503, { 'anneal-refused': 'shed-load', 'retry-after': '1' });
    response.end();
  });
  await using load = await openLoad(workload, { baseUrl: server.baseUrl });
  const context = await aProbeContext({ targetPid: process.pid });
  const { slice } = await takeSlice({ load, context, agent: null, statements: null }, { durationMs: 300, seed: 1, refuses }, []);
  return slice;
}

test('on trial, limits refuse without error; what is given is told per answer', async () => {
  const { requests, failedRequests, refusedRequests, metrics } = await refusedHalf(true);
  expect(requests).toBe(60);
  expect(failedRequests).toBe(0);
  expect(refusedRequests).toBe(30);
  expect(metrics.errors).toBe(0);
  // 30 answers in 300 ms, or a little more where the last one came later.
  expect(metrics['answer.interval']).toBeGreaterThanOrEqual(10);
});

test('nobody else may refuse: there a refusal is an error, and still no cheap answer', async () => {
  const { failedRequests, refusedRequests, metrics } = await refusedHalf(false);
  expect(failedRequests).toBe(30);
  expect(refusedRequests).toBeUndefined();
  expect(metrics.errors).toBe(0.5);
  expect(metrics['answer.interval']).toBeUndefined();
});
