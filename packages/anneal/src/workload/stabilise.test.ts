import { expect, test } from 'vitest';
import { startTestServer } from './fixtures/test-server.ts';
import { aScenario, aWorkload } from './fixtures/workloads.ts';
import { openLoad } from './load-session.ts';
import { stabilise } from './stabilise.ts';

const workload = aWorkload({
  variables: { n: { type: 'sequence', template: '{n}' } },
  scenarios: [aScenario({ method: 'POST', path: '/{n}' })],
});

/** Warms a real server up while the figure goes through the given values, the last one for ever. */
async function warmUp(values: readonly number[], maximumMs: number) {
  await using server = await startTestServer((_request, response) => response.end());
  await using session = await openLoad(workload, { baseUrl: server.baseUrl });
  let slices = 0;
  const figure = () => Promise.resolve(values[Math.min(slices++, values.length - 1)]!);
  const outcome = await stabilise(session, { seed: 1, sliceMs: 50, maximumMs, figure });
  return { ...outcome, paths: server.seen.map((request) => request.path) };
}

test('a target is warm when three slices in a row agree within a tenth', async () => {
  const { stable, figures } = await warmUp([900, 400, 250, 209, 205, 200], 60_000);
  expect(stable).toBe(true);
  expect(figures).toEqual([900, 400, 250, 209, 205, 200]);
});

test('a target that never settles ends at the maximum, and says so', async () => {
  const { stable, figures } = await warmUp([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048], 300);
  expect(stable).toBe(false);
  expect(figures.length).toBeGreaterThanOrEqual(3);
  expect(figures.length).toBeLessThanOrEqual(6);
});

test('values that must not repeat do not repeat from slice to slice', async () => {
  const { paths } = await warmUp([1, 2, 4, 4, 4], 60_000);
  expect(paths.length).toBeGreaterThan(10);
  expect(new Set(paths).size).toBe(paths.length);
});
