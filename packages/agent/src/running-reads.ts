import type { IncomingMessage } from 'node:http';
import { clientKey } from './policies/cache-responses/request-key.ts';

/** Equal requests beyond these are equal to one of these, nearly always. */
const mostCompared = 4;

/**
 * GETs under way, to tell the ones that arrive while an identical one by the same client and identity is worked on.
 * A request costs two look-ups by its URL; headers are only read where two URLs meet.
 */
export class RunningReads {
  readonly #byUrl = new Map<string, IncomingMessage | readonly IncomingMessage[]>();

  /** Whether one that is identical runs. */
  begin(incoming: IncomingMessage, url: string): boolean {
    const running = this.#byUrl.get(url);
    if (running === undefined) {
      this.#byUrl.set(url, incoming);
      return false;
    }
    const all = Array.isArray(running) ? running : [running as IncomingMessage];
    this.#byUrl.set(url, [...all, incoming]);
    const key = clientKey(incoming);
    return key !== null && all.slice(0, mostCompared).some((other) => clientKey(other) === key);
  }

  end(incoming: IncomingMessage, url: string): void {
    const running = this.#byUrl.get(url);
    if (running === incoming) this.#byUrl.delete(url);
    else if (Array.isArray(running)) {
      const left = running.filter((other) => other !== incoming);
      if (left.length === 0) this.#byUrl.delete(url);
      else this.#byUrl.set(url, left.length === 1 ? left[0]! : left);
    }
  }
}
