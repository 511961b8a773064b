import { expect, test } from 'vitest';
import { pauseBetweenSlicesMs, policyExpiryMs } from './policy-terms.ts';

test('a policy outlives its comparison, with as many rounds dropped as kept, and not by a day', () => {
  const bench = { sliceMs: 2_000, warmupRounds: 1 };
  const mostRounds = 24;
  const slicesMs = (1 + 2 * mostRounds) * 2 * (bench.sliceMs + pauseBetweenSlicesMs);
  const expiryMs = policyExpiryMs(bench, mostRounds);
  expect(expiryMs).toBeGreaterThan(slicesMs + 5 * 60_000);
  expect(expiryMs).toBeLessThan(60 * 60_000);
});
