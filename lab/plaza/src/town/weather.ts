import { setTimeout as sleep } from 'node:timers/promises';
import { isFixed } from '../fix.ts';
import { patienceMs, type Town } from './town.ts';

export async function weatherAt(town: Town, place: string): Promise<unknown> {
  const limit = isFixed('weather-timeout') ? { signal: AbortSignal.timeout(patienceMs) } : {};
  const answer = await fetch(`${town.url}/weather?place=${encodeURIComponent(place)}`, limit);
  return answer.json();
}

const firstWaitMs = 20;

/** The high tide; the service is often busy, and takes it well to be asked a little later. */
export async function tideAt(town: Town, place: string): Promise<unknown> {
  const signal = AbortSignal.timeout(patienceMs);
  const lookup = crypto.randomUUID();
  for (let waitMs = firstWaitMs; ; waitMs *= 2) {
    const answer = await fetch(`${town.url}/tides?place=${encodeURIComponent(place)}`, { signal, headers: { 'x-lookup': lookup } });
    if (answer.ok) return answer.json();
    await answer.body?.cancel();
    await sleep(waitMs + Math.random() * waitMs);
  }
}
