import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ArrivedRequest, Recording } from '../protocol.ts';

/** Node's own channels: nothing is wrapped, and nothing is left when the recording ends. */
const arrived = 'http.server.request.start';
const answered = 'http.server.response.finish';

/** What the application is asked, a share of it, bounded: method, address and status; no header and no body leaves the process. */
export class Recorder {
  #requests: ArrivedRequest[] = [];
  #missed = 0;
  #share = 0;
  #most = 0;
  #on = false;
  readonly #arrivals = new WeakMap<IncomingMessage, number>();

  start(share: number, most: number): void {
    this.#share = share;
    this.#most = most;
    this.#requests = [];
    this.#missed = 0;
    if (this.#on) return;
    this.#on = true;
    subscribe(arrived, this.#onArrived);
    subscribe(answered, this.#onAnswered);
  }

  stop(): Recording {
    if (this.#on) {
      unsubscribe(arrived, this.#onArrived);
      unsubscribe(answered, this.#onAnswered);
    }
    this.#on = false;
    const recording = { requests: this.#requests, missed: this.#missed };
    this.#requests = [];
    return recording;
  }

  readonly #onArrived = (message: unknown): void => {
    const { request } = message as { readonly request: IncomingMessage };
    if (Math.random() < this.#share) this.#arrivals.set(request, performance.timeOrigin + performance.now());
  };

  readonly #onAnswered = (message: unknown): void => {
    const { request, response } = message as { readonly request: IncomingMessage; readonly response: ServerResponse };
    const atMs = this.#arrivals.get(request);
    if (atMs === undefined) return;
    if (this.#requests.length >= this.#most) {
      this.#missed += 1;
      return;
    }
    const { method = 'GET', url = '/', headers } = request;
    // A middleware may have cut a prefix off `url`; Express keeps what the client sent.
    const { originalUrl } = request as IncomingMessage & { readonly originalUrl?: unknown };
    this.#requests.push({
      atMs,
      method,
      target: typeof originalUrl === 'string' ? originalUrl : url,
      status: response.statusCode,
      hadCredentials: headers.authorization !== undefined || headers.cookie !== undefined,
    });
  };
}
