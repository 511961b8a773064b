import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Where the services in town are, and how to end them. */
export interface Town {
  readonly url: string;
  readonly close: () => Promise<void>;
}

export async function startTown(): Promise<Town> {
  const thread = new Worker(new URL('./services.ts', import.meta.url), { name: 'town' });
  const [port] = (await once(thread, 'message')) as [number];
  return { url: `http://127.0.0.1:${port}`, close: async () => void (await thread.terminate()) };
}

/** Long enough for every good answer, short enough that nobody waits for a bad one. */
export const patienceMs = 2_000;
