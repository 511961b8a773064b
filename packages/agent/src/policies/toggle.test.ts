import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { startTarget, type Target } from '../../test/target.ts';
import { schemaSql } from '../../test/apps/schema.ts';
import { silenceMs, type FromAgent, type ToggledBlock, type Toggling } from '../protocol.ts';

const toggling: Toggling = { policyId: null, blockMs: 20, blocks: 20, seed: 7 };

async function toggled(target: Target, asked: Partial<Toggling> = {}): Promise<readonly ToggledBlock[]> {
  const answer = await target.ask({ type: 'toggle-policy', ...toggling, ...asked });
  if (answer.type !== 'toggled') throw new Error(JSON.stringify(answer));
  return answer.blocks;
}

/** Keeps `clients` requests under way until stopped; tells how many were sent. */
function traffic(target: Target, path: string, clients = 4): () => Promise<number> {
  const stopping = new AbortController();
  let sent = 0;
  const client = async () => {
    while (!stopping.signal.aborted) {
      sent += 1;
      await (await target.get(path)).text();
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  return async () => {
    stopping.abort();
    await all;
    return sent;
  };
}

/** An application with a pool of one connection, which a policy of ours can make bigger. */
async function withPool(owner: AsyncDisposableStack): Promise<{ readonly target: Target; readonly pool: string }> {
  const database = owner.use(await createTestDatabase(schemaSql));
  const target = owner.use(await startTarget('express.cjs', { DATABASE_URL: database.url, POOL_MAX: '1' }));
  await (await target.get('/held')).text();
  const { pools } = await target.flush();
  return { target, pool: pools[0]!.name };
}

const poolMax = async (target: Target) => ((await (await target.get('/state')).json()) as { readonly max: number }).max;
const onOf = (answer: FromAgent) =>
  answer.type === 'summary' ? answer.summary.policies.map(({ id, on }) => ({ id, on })) : `answered ${answer.type}`;

const stack = new AsyncDisposableStack();
let target: Target;
let pool: string;
beforeAll(async () => {
  ({ target, pool } = await withPool(stack));
});
afterEach(async () => {
  for (const policyId of ['bigger', 'short']) await target.ask({ type: 'revoke-policy', policyId });
});
afterAll(() => stack.disposeAsync());

describe('blocks', () => {
  test('come in pairs of both states, in an order that the seed decides and that inverting exchanges', async () => {
    const order = async (asked: Partial<Toggling>) => (await toggled(target, asked)).map(({ on }) => on);
    const first = await order({ seed: 7 });
    const pairs = Array.from({ length: 10 }, (_, index) => first.slice(2 * index, 2 * index + 2));
    expect(pairs.every(([one, other]) => one !== other)).toBe(true);
    expect(new Set(pairs.map(([one]) => one))).toEqual(new Set([true, false]));
    expect(await order({ seed: 7 })).toEqual(first);
    expect(await order({ seed: 8 })).not.toEqual(first);
    expect(await order({ seed: 7, inverted: true })).toEqual(first.map((on) => !on));
  });

  test('count every request where it began, and leave those an edge interrupts out of the response times', async () => {
    const stop = traffic(target, '/state');
    const blocks = await toggled(target);
    const sent = await stop();
    const total = (figure: (block: ToggledBlock) => number) => blocks.reduce((sum, block) => sum + figure(block), 0);
    const begun = total(({ requests }) => requests);
    expect(begun).toBeGreaterThan(4);
    expect(begun).toBeLessThanOrEqual(sent);
    expect(total(({ responseTimeUs }) => responseTimeUs.count)).toBe(begun - total(({ straddling }) => straddling));
    expect(total(({ ended }) => ended)).toBeLessThanOrEqual(begun + 4);
    expect(total(({ failed }) => failed)).toBe(0);
    expect(blocks.every(({ cpuMs, durationMs }) => cpuMs > 0 && durationMs > 0)).toBe(true);
  });

  test('with requests longer than a block have no response times, and failures count for the block that began them', async () => {
    const stop = traffic(target, '/held', 1);
    const slow = await toggled(target, { blocks: 10 });
    await stop();
    expect(slow.some(({ straddling }) => straddling === 1)).toBe(true);
    expect(slow.every(({ requests, straddling, responseTimeUs }) => responseTimeUs.count === requests - straddling)).toBe(true);
  });

  test('are refused where they make no pairs, are too short for anything, or their policy is not in force', async () => {
    for (const asked of [{ blocks: 3 }, { blocks: 0 }, { blockMs: 1 }, { policyId: 'unknown' }]) {
      expect(await target.ask({ type: 'toggle-policy', ...toggling, ...asked })).toMatchObject({ type: 'refused' });
    }
    expect(await toggled(target, { blocks: 2 })).toHaveLength(2);
  });
});

describe('a policy', () => {
  test('is switched by its blocks and afterwards what it was before', async () => {
    await target.ask({ type: 'apply-policy', policyId: 'bigger', policy: { kind: 'pool-size', pool, max: 5 } });
    const seen = new Set<number>();
    const over = new AbortController();
    const blocks = toggled(target, { policyId: 'bigger', blocks: 30 }).finally(() => over.abort());
    while (!over.signal.aborted) seen.add(await poolMax(target));
    expect(seen).toEqual(new Set([1, 5]));
    expect((await blocks).filter(({ on }) => on)).toHaveLength(15);
    expect(await poolMax(target)).toBe(5);
    expect(onOf(await target.ask({ type: 'flush' }))).toEqual([{ id: 'bigger', on: true }]);
  });

  test('that was off before is off afterwards', async () => {
    await target.ask({ type: 'apply-policy', policyId: 'bigger', policy: { kind: 'pool-size', pool, max: 5 } });
    await target.ask({ type: 'switch-policy', policyId: 'bigger', on: false });
    await toggled(target, { policyId: 'bigger', blocks: 4 });
    expect(await poolMax(target)).toBe(1);
  });

  test('that ends by itself while it is toggled gives no proof, and its traces are gone', async () => {
    await target.ask({
      type: 'apply-policy',
      policyId: 'short',
      policy: { kind: 'pool-size', pool, max: 5 },
      expiresAfterMs: 1_000,
    });
    expect(await target.ask({ type: 'toggle-policy', ...toggling, policyId: 'short', blocks: 100 })).toMatchObject({
      type: 'refused',
      reason: 'the policy short ended',
    });
    expect(await poolMax(target)).toBe(1);
    expect((await target.flush()).problems).toEqual(['the policy short ended: the time that it was given was over']);
    expect(await toggled(target, { blocks: 2 })).toHaveLength(2);
  });

  test('that is toggled when Anneal dies is gone, and requests go on', async () => {
    await using own = new AsyncDisposableStack();
    const { target: left, pool: its } = await withPool(own);
    await left.ask({ type: 'apply-policy', policyId: 'bigger', policy: { kind: 'pool-size', pool: its, max: 5 } });
    void left.ask({ type: 'toggle-policy', ...toggling, policyId: 'bigger', blocks: 1_000 });
    await expect.poll(() => poolMax(left)).toBe(1);
    await expect.poll(() => poolMax(left)).toBe(5);
    left.loseListener();
    await expect.poll(() => poolMax(left)).toBe(1);
    // Ten blocks later it would have been on again.
    await sleep(10 * toggling.blockMs);
    expect(await poolMax(left)).toBe(1);
    expect(await left.finish()).toBe(0);
    expect(left.output()).toBe('');
  });

  test(
    'goes off when Anneal falls silent, stays off when it speaks again, and acts once it is switched on',
    { timeout: 20_000 },
    async () => {
      await target.ask({ type: 'apply-policy', policyId: 'bigger', policy: { kind: 'pool-size', pool, max: 5 } });
      await sleep(silenceMs + 500);
      expect(await poolMax(target)).toBe(5);
      target.fallSilent();
      await expect.poll(() => poolMax(target), { timeout: 3 * silenceMs }).toBe(1);
      const summary = await target.flush();
      expect(summary.policies).toMatchObject([{ id: 'bigger', on: false }]);
      expect(summary.problems).toEqual(['all policies went off: nothing was heard of Anneal']);
      expect(await poolMax(target)).toBe(1);
      await target.ask({ type: 'switch-policy', policyId: 'bigger', on: true });
      expect(await poolMax(target)).toBe(5);
    },
  );
});
