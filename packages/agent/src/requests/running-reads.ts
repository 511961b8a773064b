import type { IncomingMessage } from 'node:http';
import { clientKey } from '../policies/cache-responses/request-key.ts';

/** Equal requests beyond these are equal to one of these, nearly always. */
const mostCompared = 4;

/** A GET under way. Its headers are read once, and only where another one asks for the same URL. */
interface RunningRead {
  readonly incoming: IncomingMessage;
  key: string | null | undefined;
}

/**
 * GETs under way, to tell the ones that arrive while an identical one by the same client and identity is worked on.
 * A request costs two look-ups by its URL, and its key where two of them meet: under load they meet at every popular URL.
 */
export class RunningReads {
  readonly #byUrl = new Map<string, RunningRead[]>();

  /** Whether one that is identical runs. */
  begin(incoming: IncomingMessage, url: string): boolean {
    const running = this.#byUrl.get(url);
    if (running === undefined) {
      this.#byUrl.set(url, [{ incoming, key: undefined }]);
      return false;
    }
    const key = clientKey(incoming);
    const identical = key !== null && meets(running, key);
    running.push({ incoming, key });
    return identical;
  }

  end(incoming: IncomingMessage, url: string): void {
    const running = this.#byUrl.get(url);
    if (running === undefined) return;
    const at = running.findIndex((read) => read.incoming === incoming);
    if (at === -1) return;
    if (running.length === 1) this.#byUrl.delete(url);
    else running.splice(at, 1);
  }
}

function meets(running: readonly RunningRead[], key: string): boolean {
  for (let at = 0; at < running.length && at < mostCompared; at += 1) if (keyOf(running[at]!) === key) return true;
  return false;
}

function keyOf(read: RunningRead): string | null {
  if (read.key === undefined) read.key = clientKey(read.incoming);
  return read.key;
}
