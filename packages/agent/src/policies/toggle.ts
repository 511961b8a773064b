import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Histogram } from '../histogram.ts';
import type { ToggledBlock, Toggling } from '../protocol.ts';

const shortestBlockMs = 20;
const longestBlockMs = 60_000;
const mostBlocks = 10_000;

/** Why the blocks asked for cannot be run, or null. */
export function refuseToggling({ blockMs, blocks, seed }: Toggling): string | null {
  const whole = [blockMs, blocks, seed].every(Number.isInteger);
  if (!whole || blockMs < shortestBlockMs || blockMs > longestBlockMs) {
    return `a block lasts a whole number of ms from ${shortestBlockMs} to ${longestBlockMs}`;
  }
  return blocks >= 2 && blocks <= mostBlocks && blocks % 2 === 0 ? null : `blocks come in pairs, ${mostBlocks} of them at most`;
}

/**
 * Switches on and off in pairs of blocks, each pair in an order that nobody can foresee, and tells what each block
 * cost. Within one process and a fraction of a second everything else is equal, so an effect of a few per cent
 * shows that two processes side by side would hide. What a block's edge interrupts counts for the state it began under.
 *
 * Edges are on the application's thread, so that no request runs while CPU time is read. Rejects with the signal's reason.
 */
export async function runBlocks(
  { blockMs, blocks, seed, inverted = false }: Toggling,
  states: {
    readonly switchTo: (on: boolean) => void;
    /** Whether the state switched to is still the one in effect. */
    readonly holds: () => boolean;
  },
  signal: AbortSignal,
): Promise<readonly ToggledBlock[]> {
  const told: OpenBlock[] = [];
  let current: OpenBlock | null = null;
  const started = (message: unknown) => {
    try {
      current?.begin(message as Exchange, () => current);
    } catch {
      // One request less is counted; the application does not hear of it.
    }
  };
  subscribe('http.server.request.start', started);
  try {
    for (const drawn of blockOrder(blocks, seed)) {
      const on = drawn !== inverted;
      states.switchTo(on);
      current = new OpenBlock(on);
      told.push(current);
      await sleep(blockMs, null, { ref: false, signal });
      if (!states.holds()) throw new Error('it was switched off while it was toggled');
      current.end();
    }
  } finally {
    current = null;
    unsubscribe('http.server.request.start', started);
  }
  return told.map((block) => block.toBlock());
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

class OpenBlock {
  readonly #on: boolean;
  readonly #startedAt = performance.now();
  readonly #cpu = process.cpuUsage();
  readonly #responseTime = new Histogram();
  #durationMs = 0;
  #cpuMs = 0;
  #requests = 0;
  #within = 0;
  #ended = 0;
  #failed = 0;

  constructor(on: boolean) {
    this.#on = on;
  }

  begin({ response }: Exchange, current: () => OpenBlock | null): void {
    this.#requests += 1;
    const startedAt = performance.now();
    response.once('close', () => {
      if (response.statusCode >= 500 || !response.writableFinished) this.#failed += 1;
      const block = current();
      if (block !== null) block.#ended += 1;
      if (block !== this) return;
      this.#within += 1;
      this.#responseTime.record((performance.now() - startedAt) * 1000);
    });
  }

  end(): void {
    const cpu = process.cpuUsage(this.#cpu);
    this.#cpuMs = (cpu.user + cpu.system) / 1000;
    this.#durationMs = performance.now() - this.#startedAt;
  }

  toBlock(): ToggledBlock {
    return {
      on: this.#on,
      durationMs: this.#durationMs,
      cpuMs: this.#cpuMs,
      requests: this.#requests,
      ended: this.#ended,
      straddling: this.#requests - this.#within,
      failed: this.#failed,
      responseTimeUs: this.#responseTime.toData(),
    };
  }
}

/** Each pair has both states, which one first by a seeded coin. */
function blockOrder(blocks: number, seed: number): readonly boolean[] {
  const coin = seededCoin(seed);
  return Array.from({ length: blocks / 2 }, () => (coin() ? [true, false] : [false, true])).flat();
}

/** xorshift32 (Marsaglia, Xorshift RNGs, 2003); its first draws still show a small seed and are thrown away. */
function seededCoin(seed: number): () => boolean {
  let state = (seed ^ 0x9e3779b9) | 0 || 1;
  const coin = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state < 0;
  };
  for (let thrown = 0; thrown < 32; thrown += 1) coin();
  return coin;
}
