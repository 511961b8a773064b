import { isFixed } from '../fix.ts';
import { patienceMs, type Town } from './town.ts';

/** Tells the services that follow a post that it was shared. */
export async function announceShare(town: Town, postId: number): Promise<void> {
  if (isFixed('share-webhook')) setImmediate(() => void tell(town, postId).catch(() => undefined));
  else await tell(town, postId);
}

async function tell(town: Town, postId: number): Promise<void> {
  await fetch(`${town.url}/shares/${postId}`, { method: 'POST', signal: AbortSignal.timeout(patienceMs) });
}

export interface Translation {
  readonly text: string;
}

/** The reader waits for this, and reads it. */
export async function translate(town: Town, postId: number): Promise<Translation> {
  const answer = await fetch(`${town.url}/translations/${postId}`, { method: 'POST', signal: AbortSignal.timeout(patienceMs) });
  return (await answer.json()) as Translation;
}
