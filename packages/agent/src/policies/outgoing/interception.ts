import http, { type Agent, type ClientRequest } from 'node:http';
import { wrapMethod } from '../../hooks/patch.ts';

/** Passes a `fetch` on with `next`, changed or not, or answers it. */
export type FetchStep = (call: FetchCall, next: (init: unknown) => Promise<Response>) => Promise<Response>;

export interface FetchCall {
  /** `host:port`, without the port where it is the scheme's own. */
  readonly peer: string;
  readonly init: FetchInit | undefined;
  /** Whether the application passed a `Request`: it carries settings of its own. */
  readonly isRequest: boolean;
}

export interface FetchInit {
  readonly signal?: AbortSignal | null;
  readonly dispatcher?: unknown;
}

/** Passes a request of node:http or node:https on to an agent, its own or another, or answers it. */
export type RequestStep = (call: RequestCall, next: (agent: Agent) => void) => void;

export interface RequestCall {
  readonly agent: Agent;
  readonly request: ClientRequest;
  readonly peer: string;
}

/**
 * Puts a step into every `fetch` of this process, or into every request of node:http and node:https that an agent serves
 * (all but those with a `createConnection` of their own); the function returned takes it out again. One wrapper serves all
 * steps, so that they come and go in any order and the last one leaves the method as it was found. A step that
 * throws is passed over.
 */
export function interceptFetch(step: FetchStep, failed: (error: unknown) => void): () => void {
  return fetches.add({ step, failed });
}

export function interceptRequests(step: RequestStep, failed: (error: unknown) => void): () => void {
  return requests.add({ step, failed });
}

interface Placed<Step> {
  readonly step: Step;
  readonly failed: (error: unknown) => void;
}

/** Steps around one method, which is wrapped while there are any. */
class Steps<Step> {
  readonly #wrap: (placed: () => readonly Placed<Step>[]) => (() => void) | null;
  /** Replaced, never changed: a call goes on through the steps that were there when it came. */
  #placed: readonly Placed<Step>[] = [];
  #undo = (): void => undefined;

  constructor(wrap: (placed: () => readonly Placed<Step>[]) => (() => void) | null) {
    this.#wrap = wrap;
  }

  add(placed: Placed<Step>): () => void {
    if (this.#placed.length === 0) this.#place();
    this.#placed = [...this.#placed, placed];
    return () => {
      this.#placed = this.#placed.filter((other) => other !== placed);
      if (this.#placed.length === 0) this.#undo();
    };
  }

  #place(): void {
    let inPlace = true;
    const remove = this.#wrap(() => (inPlace ? this.#placed : []));
    this.#undo = () => {
      // Where somebody has wrapped it in turn it stays, and lets everything through: the next step gets a wrapper of its own.
      inPlace = false;
      remove?.();
    };
  }
}

const fetches = new Steps<FetchStep>((placed) =>
  wrapMethod(
    globalThis,
    'fetch',
    (original) =>
      function fetch(this: unknown, input, init) {
        const steps = placed();
        const peer = steps.length === 0 ? null : peerOf(input);
        if (peer === null) return original.call(this, input, init);
        const isRequest = input instanceof Request;
        const run = (from: number, present: unknown): Promise<Response> => {
          for (let index = from; index < steps.length; index += 1) {
            const { step, failed } = steps[index]!;
            try {
              return step({ peer, init: present as FetchInit | undefined, isRequest }, (changed) => run(index + 1, changed));
            } catch (error) {
              failed(error);
            }
          }
          return original.call(this, input, present) as Promise<Response>;
        };
        return run(0, init);
      },
  ),
);

const requests = new Steps<RequestStep>((placed) =>
  wrapMethod(
    http.Agent.prototype,
    'addRequest',
    (original) =>
      function addRequest(this: unknown, request, options, ...further) {
        const steps = placed();
        if (steps.length === 0) return original.call(this, request, options, ...further);
        const peer = peerOfRequest(request as ClientRequest);
        const run = (from: number, agent: Agent): unknown => {
          for (let index = from; index < steps.length; index += 1) {
            const { step, failed } = steps[index]!;
            try {
              step({ agent, request: request as ClientRequest, peer }, (other) => void run(index + 1, other));
              return undefined;
            } catch (error) {
              failed(error);
            }
          }
          return original.call(agent, request, options, ...further);
        };
        return run(0, this as Agent);
      },
  ),
);

/** Null for what is no URL with a host: fetch says better what is wrong with it. */
function peerOf(input: unknown): string | null {
  const text = input instanceof Request ? input.url : String(input);
  const host = URL.canParse(text) ? new URL(text).host : '';
  return host === '' ? null : host;
}

function peerOfRequest(request: ClientRequest): string {
  const named = request.getHeader('host');
  return typeof named === 'string' ? named : request.host;
}
