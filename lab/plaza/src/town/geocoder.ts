import { setTimeout as sleep } from 'node:timers/promises';
import { isFixed } from '../fix.ts';
import { patienceMs, type Town } from './town.ts';

const firstWaitMs = 20;

/** Where a place is; the geocoder turns away what it has no capacity for. */
export async function locate(town: Town, place: string): Promise<unknown> {
  const signal = AbortSignal.timeout(patienceMs);
  const lookup = crypto.randomUUID();
  for (let waitMs = firstWaitMs; ; waitMs *= 2) {
    const answer = await fetch(`${town.url}/places?place=${encodeURIComponent(place)}`, { signal, headers: { 'x-lookup': lookup } });
    if (answer.ok) return answer.json();
    await answer.body?.cancel();
    if (isFixed('geocoder-retries')) await sleep(waitMs + Math.random() * waitMs);
  }
}
