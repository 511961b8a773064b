import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Assessment } from '../../packages/anneal/src/index.ts';
import { anneal } from '../support/anneal-cli.ts';
import { serveScript } from '../support/served-script.ts';

const isThorough = process.env['ANNEAL_THOROUGH'] === '1';
if (!isThorough) process.stderr.write('SKIPPED: the trials of limits under overload; `make test-try` runs them\n');

/** Answers some 300 requests a second, one after the other, whatever waits: 1 ms of work and 2 of waiting each. */
const app = `import { createServer } from 'node:http';
let busy = Promise.resolve();
const work = async () => {
  const until = performance.now() + 1;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 2));
};
createServer((request, response) => {
  busy = busy.then(work);
  void busy.then(() => response.end(JSON.stringify({ path: request.url })));
}).listen(Number(process.env.PORT), '127.0.0.1');
`;

const agent = fileURLToPath(new URL('../../packages/agent/src/agent.ts', import.meta.url));

let place: string;

beforeAll(async () => {
  place = await realpath(await mkdtemp(join(tmpdir(), 'anneal-try-policy-')));
  await writeFile(join(place, 'app.mjs'), app);
  const config = {
    target: { start: 'exec node app.mjs' },
    workload: { urls: ['/a', '/b'], ratePerSecond: 450 },
    measure: { warmupMs: 600, windowMs: 500 },
    // Short slices: a queue that grows is seen within a few hundred milliseconds, and the errors' guard needs some 1,200 answers.
    trial: { sliceMs: 300, answers: 10 },
  };
  await writeFile(join(place, 'anneal.config.json'), JSON.stringify(config));
});

afterAll(() => rm(place, { recursive: true, force: true }));

async function tried(policy: object, ...args: readonly string[]) {
  const result = await anneal(['try', '--policy', JSON.stringify(policy), '--json', ...args], { cwd: place });
  expect(result.stdout, result.stderr).toMatch(/^\{/);
  return { ...result, assessment: JSON.parse(result.stdout) as Assessment };
}

const shedding = { kind: 'shed-load', maxConcurrent: 2, maxWaiting: 4, targetDelayMs: 30, intervalMs: 60, retryAfterSeconds: 1 };

describe.skipIf(!isThorough)('limits on a backend that gets more than it can answer', () => {
  test(
    'shedding is proven: answers that are given are early and equal, no fewer of them, and who is refused is counted',
    { timeout: 240_000 },
    async () => {
      const { exitCode, stderr, assessment } = await tried(shedding);
      const [trial] = assessment.trials;
      expect(trial!.verdict, stderr).toEqual({ decision: 'keep', performance: 'improved', equality: 'match' });
      expect(trial!.primary).toMatchObject({ metric: 'latency.p95', result: 'improved' });
      expect(trial!.guards.find(({ metric }) => metric === 'answer.interval')).toMatchObject({ holds: true });
      const refused = (arm: 'baseline' | 'candidate') => trial!.rounds.reduce((sum, round) => sum + (round[arm].refusedRequests ?? 0), 0);
      expect(refused('baseline')).toBe(0);
      expect(refused('candidate')).toBeGreaterThan(100);
      expect(exitCode).toBe(0);

      const file = '.anneal/latest/changes/001-shed-load.policies.json';
      expect(assessment.nextActions.join()).toContain('changes/001-shed-load.policies.json');
      const statuses = (url: string) => Promise.all(Array.from({ length: 40 }, async () => (await fetch(`${url}/a`)).status));
      await using served = await serveScript(['--import', agent, 'app.mjs'], {
        cwd: place,
        env: { ANNEAL_POLICIES: join(place, file) },
        isUp: async (url) => (await statuses(url)).includes(503),
      });
      expect(new Set(await statuses(served.url))).toEqual(new Set([200, 503]));
      expect(JSON.parse(await readFile(join(place, file), 'utf8'))).toEqual({ policies: [{ ...shedding, exempt: [] }] });
    },
  );

  test('a limit that refuses those who could have been answered is rolled back', { timeout: 240_000 }, async () => {
    const { exitCode, assessment } = await tried({ ...shedding, maxConcurrent: 1, maxWaiting: 0 }, '--rate', '150');
    const [trial] = assessment.trials;
    expect(trial!.verdict).toMatchObject({ decision: 'rollback', equality: 'match' });
    const guard = trial!.guards.find(({ metric }) => metric === 'answer.interval')!;
    expect(guard.holds).toBe(false);
    expect(guard.change.point).toBeGreaterThan(0.2);
    // Whether it is proven to be worse depends on how quiet the machine is.
    expect([1, 3]).toContain(exitCode);
  });
});
