import type { ClientRequest } from 'node:http';
import { interceptFetch, interceptRequests } from './outgoing/interception.ts';
import type { PolicyKind } from './policy.ts';

/** Gives calls that have no limit of time one, from the call until the last byte of the answer. */
export interface OutgoingTimeoutPolicy {
  readonly kind: 'outgoing-timeout';
  /** Calls to these: `host:port`, without the port where it is the scheme's own. */
  readonly peers: readonly string[];
  readonly timeoutMs: number;
}

export const outgoingTimeout: PolicyKind<OutgoingTimeoutPolicy> = {
  kind: 'outgoing-timeout',
  actsOn: 'requests',

  start({ peers, timeoutMs }, { observer }, others, control) {
    const rival = others.find((other) => other.policy.peers.some((peer) => peers.includes(peer)));
    if (rival !== undefined) return `calls to ${peers.join(', ')} are already limited by the policy ${rival.id}`;
    const limited = new Set(peers);
    const figures = { limited: 0, timedOut: 0 };
    const failed = (error: unknown) => control.end(String(error));

    const undo = [
      interceptFetch(({ peer, init, isRequest }, next) => {
        // A Request has a signal of its own, a dispatcher limits of its own.
        const isLimited = isRequest || (init?.signal ?? init?.dispatcher ?? null) !== null;
        if (!control.on || isLimited || !limited.has(peer) || control.draw?.(observer.current()) === false) return next(init);
        figures.limited += 1;
        const signal = AbortSignal.timeout(timeoutMs);
        // Whether an answer that had begun was cut off is not seen: its body is read elsewhere.
        return next({ ...init, signal }).catch((error: unknown) => {
          if (signal.aborted) figures.timedOut += 1;
          throw error;
        });
      }, failed),

      interceptRequests(({ agent, request, peer }, next) => {
        if (control.on && limited.has(peer) && control.draw?.(observer.current()) !== false) limit(request);
        next(agent);
      }, failed),
    ];

    const limit = (request: ClientRequest) => {
      figures.limited += 1;
      const timer = setTimeout(() => {
        if (limitsItself(request)) return;
        figures.timedOut += 1;
        request.destroy(Object.assign(new Error(`no whole answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }));
      }, timeoutMs).unref();
      request.once('close', () => clearTimeout(timer));
    };

    return {
      switch: () => undefined,
      stop() {
        for (const remove of undo) remove();
      },
      take() {
        const taken = { ...figures };
        Object.assign(figures, { limited: 0, timedOut: 0 });
        return taken;
      },
    };
  },
};

/**
 * With a signal Node watches the request for its end (`stream.addAbortSignal`): nothing else listens to `complete`. And
 * an error that nobody handles would end the process: a request without a listener for it is not ended either.
 */
function limitsItself(request: ClientRequest): boolean {
  return request.listenerCount('timeout') > 0 || request.listenerCount('complete') > 0 || request.listenerCount('error') === 0;
}
