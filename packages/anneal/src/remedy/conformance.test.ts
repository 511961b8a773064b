import { expect, test } from 'vitest';
import { remedyConformance } from './conformance.ts';
import type { ActContext, Presence, Remedy } from './remedy.ts';

type Plan = { readonly key: string };

/** A target small enough to hold in the hand: a map that the remedy adds one key to. */
function targetAndRemedy(flaws: Partial<Remedy<Plan>> = {}) {
  const target = new Map([['colour', 'red']]);
  const remedy: Remedy<Plan> = {
    id: 'test/add-key',
    title: 'Add a key',
    addresses: [],
    scope: 'process',
    risk: 'low',
    effort: 'none',
    contract: 'transparent',
    plan: async () => ({ key: 'size' }),
    predict: async () => {
      throw new Error('not part of conformance');
    },
    inspect: async ({ key }): Promise<Presence> => (target.has(key) ? 'present' : 'absent'),
    apply: async ({ key }) => void target.set(key, 'large'),
    revert: async ({ key }) => void target.delete(key),
    cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: 16, connections: 0 }),
    touches: () => ({ statementIds: [], routes: [], writtenTables: [] }),
    describe: () => ({ title: 'Add the key size', sql: null, lasting: null }),
    ...flaws,
  };
  const observe = async () => [...target];
  const context: ActContext = { sql: null, agent: null };
  const drive = (plan: Plan = { key: 'size' }) => remedyConformance({ remedy, plan, context, observe });
  return { target, drive };
}

test('a remedy that holds the law passes and leaves the target as it was', async () => {
  const { target, drive } = targetAndRemedy();
  await expect(drive()).resolves.toBeUndefined();
  expect([...target]).toEqual([['colour', 'red']]);
});

test('a revert that does nothing is caught', async () => {
  const { drive } = targetAndRemedy({ revert: async () => {} });
  await expect(drive()).rejects.toThrow('test/add-key does not conform: after revert, inspect says present instead of absent');
});

test('a revert that forgets part of the change is caught by the target, whatever inspect says', async () => {
  const { target, drive } = targetAndRemedy({
    apply: async ({ key }) => void target.set(key, 'large').set('trace', 'left'),
  });
  await expect(drive()).rejects.toThrow('after revert, the target is not what it was');
});

test('a revert that takes away what the remedy never added is caught', async () => {
  const { target, drive } = targetAndRemedy({ revert: async () => target.clear() });
  await expect(drive()).rejects.toThrow('after reverting what was never applied, the target is not what it was');
});

test('an apply that cannot be repeated is caught', async () => {
  const { target, drive } = targetAndRemedy({
    apply: async ({ key }) => {
      if (target.has(key)) throw new Error('there already');
      target.set(key, 'large');
    },
  });
  await expect(drive()).rejects.toThrow('there already');
});

test('a revert that cannot be repeated is caught', async () => {
  let reverts = 0;
  const { target, drive } = targetAndRemedy({
    revert: async ({ key }) => {
      reverts += 1;
      if (!target.delete(key) && reverts > 3) throw new Error('gone already');
    },
  });
  await expect(drive()).rejects.toThrow('gone already');
});

test('an apply that inspect does not see is caught', async () => {
  const { drive } = targetAndRemedy({ inspect: async () => 'absent' });
  await expect(drive()).rejects.toThrow('after apply, inspect says absent instead of present');
});

test('an observation that cannot see the change proves nothing and is refused', async () => {
  const { drive } = targetAndRemedy({
    inspect: (
      (applied) => async () =>
        applied() ? 'present' : 'absent'
    )(alternating()),
    apply: async () => {},
  });
  await expect(drive()).rejects.toThrow('observe() does not see the change');
});

test('a plan that does not survive the ledger is refused', async () => {
  const { drive } = targetAndRemedy();
  await expect(drive({ key: 'size', since: new Date(0) } as unknown as Plan)).rejects.toThrow(
    'its plan changes when it is written as JSON',
  );
});

test('a cost that is no amount is refused', async () => {
  const { drive } = targetAndRemedy({ cost: async () => ({ diskBytes: Number.NaN, buildMs: 0, memoryBytes: 0, connections: 0 }) });
  await expect(drive()).rejects.toThrow('its cost is no amount');
});

/** False the first time, true after. */
function alternating(): () => boolean {
  let asked = 0;
  return () => {
    asked += 1;
    return asked > 1;
  };
}
