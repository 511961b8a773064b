import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { CpuProfile } from './fold-profile.ts';
import { openRollingProfile } from './rolling-profile.ts';

/** Few calls and many rounds: V8 compiles the loop while it runs, and enters that code again in every later call. */
function spell(forMs: number): number {
  const until = performance.now() + forMs;
  let total = 0;
  while (performance.now() < until) for (let step = 0; step < 5_000; step += 1) total += Math.sqrt(total + step);
  return total;
}

/** Nothing else of the application is on the stack: what has no name of its own is charged here. */
function caller(forMs: number): number {
  return spell(forMs) + 1;
}

async function run(calls: number): Promise<void> {
  for (let call = 0; call < calls; call += 1) {
    caller(50);
    await nextTurn();
  }
}

function samplesOf({ nodes, samples = [] }: CpuProfile, name: string): number {
  const ids = new Set(nodes.filter(({ callFrame }) => callFrame.functionName === name).map(({ id }) => id));
  return samples.filter((id) => ids.has(id)).length;
}

test('a hot loop has its name in every profile, whether it was compiled before the first, in it, or in one before', async () => {
  await run(6);
  const rolling = await openRollingProfile(10_000);
  try {
    for (let piece = 0; piece < 3; piece += 1) {
      await run(6);
      const profile = rolling.next();
      expect(samplesOf(profile, 'spell')).toBeGreaterThan(4 * samplesOf(profile, 'caller'));
    }
  } finally {
    rolling.close();
  }
});

test('a profile that the application ends is told from one that was taken, and the next is whole again', async () => {
  const { console } = await import('node:inspector');
  const rolling = await openRollingProfile(10_000);
  try {
    console.profileEnd('anneal 1');
    expect(() => rolling.next()).toThrow('ended by');
    await run(2);
    expect(samplesOf(rolling.next(), 'spell')).toBeGreaterThan(0);
    console.profile('of the application');
    await run(2);
    expect(samplesOf(rolling.next(), 'spell')).toBeGreaterThan(0);
    console.profileEnd('of the application');
    await run(2);
    expect(samplesOf(rolling.next(), 'spell')).toBeGreaterThan(0);
  } finally {
    rolling.close();
  }
});
