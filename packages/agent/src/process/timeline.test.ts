import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TimelineRecorder } from './timeline.ts';

/** The longest time in which nothing shows that the event loop turned. */
function longestGapMs(turnsUs: readonly number[]): number {
  return Math.max(...turnsUs.slice(1).map((turn, index) => turn - turnsUs[index]!)) / 1000;
}

test('the turns of an idle event loop are shown by a timer', async () => {
  const timeline = new TimelineRecorder();
  timeline.start();
  await sleep(200);
  const { turnsUs } = timeline.stop();
  // As often as a busy machine lets a timer of 4 ms come: less often than once for 20 ms it would be another timer.
  expect(turnsUs.length).toBeGreaterThan(10);
});

test('where requests show them the timer is left, and taken up again when they end', async () => {
  const timeline = new TimelineRecorder();
  timeline.start();
  const busyUntil = performance.now() + 400;
  while (performance.now() < busyUntil) {
    timeline.turned(performance.now());
    await new Promise(setImmediate);
  }
  const whileBusy = timeline.stop();
  // One for each millisecond at most, whoever shows it.
  expect(whileBusy.turnsUs.length).toBeLessThanOrEqual(401);
  expect(longestGapMs(whileBusy.turnsUs)).toBeLessThan(100);
  timeline.start();
  await sleep(300);
  expect(timeline.stop().turnsUs.length).toBeGreaterThan(10);
});

test('nothing is kept where no profile is taken', () => {
  const timeline = new TimelineRecorder();
  timeline.turned(1);
  expect(timeline.stop().turnsUs).toEqual([]);
});
