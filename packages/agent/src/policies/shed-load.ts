import { AsyncResource } from 'node:async_hooks';
import type { ServerResponse } from 'node:http';
import { ControlledDelay } from './admission/controlled-delay.ts';
import { exemption } from './admission/exemption.ts';
import { placeGate } from './admission/gates.ts';
import { refuse } from './admission/refusal.ts';
import type { PolicyKind } from './policy.ts';

/**
 * Refuses what a process cannot answer in time, so that it goes on answering the rest. All limits are the user's: what
 * an answer is worth when it is late, and to whom, no measurement tells.
 */
export interface ShedLoadPolicy {
  readonly kind: 'shed-load';
  /** Requests that are answered at the same time; further ones wait for their turn. */
  readonly maxConcurrent: number;
  /** Requests that may wait. 0: refused at once. */
  readonly maxWaiting: number;
  /** How long they may wait while there is a standing queue; bursts may wait for `intervalMs`. */
  readonly targetDelayMs: number;
  /** Long enough to tell a burst from a standing queue: at least a usual response time. */
  readonly intervalMs: number;
  readonly retryAfterSeconds: number;
  /** Paths that are never refused nor counted, besides those that health checks use. */
  readonly exempt: readonly string[];
}

interface Waiting {
  readonly response: ServerResponse;
  readonly admit: () => void;
  readonly sinceMs: number;
  readonly until: NodeJS.Timeout;
}

export const shedLoad: PolicyKind<ShedLoadPolicy> = {
  kind: 'shed-load',
  actsOn: 'requests',

  start(policy, _context, others, control) {
    if (others.length > 0) return `load is already shed by the policy ${others[0]!.id}`;
    const isExempt = exemption(policy.exempt);
    const delay = new ControlledDelay(policy.targetDelayMs, policy.intervalMs, performance.now());
    const queue = new Set<Waiting>();
    const figures = { admitted: 0, waited: 0, waitedMs: 0, refused: 0, abandoned: 0 };
    let answering = 0;

    const answer = (response: ServerResponse) => {
      answering += 1;
      figures.admitted += 1;
      response.once('close', () => {
        answering -= 1;
        admitNext();
      });
    };

    const refuseOne = (response: ServerResponse) => {
      figures.refused += 1;
      refuse(response, 503, { by: 'shed-load', retryAfterSeconds: policy.retryAfterSeconds });
    };

    const leave = (one: Waiting) => {
      clearTimeout(one.until);
      queue.delete(one);
      if (queue.size === 0) delay.wasEmpty(performance.now());
    };

    // Each in a turn of its own: what one of them throws must not hold up the others.
    const admitNext = () => {
      for (const one of queue) {
        if (answering >= policy.maxConcurrent) return;
        leave(one);
        figures.waited += 1;
        figures.waitedMs += performance.now() - one.sinceMs;
        answer(one.response);
        process.nextTick(one.admit);
      }
    };

    const admitAll = () => {
      for (const one of queue) {
        leave(one);
        process.nextTick(one.admit);
      }
    };

    const remove = placeGate(
      (request, response, admit) => {
        if (!control.on || isExempt(request.url)) return false;
        if (control.draw?.(request) === false) {
          // It takes a place, as all that are answered do, and waits for none.
          answer(response);
          return false;
        }
        if (answering < policy.maxConcurrent && queue.size === 0) {
          delay.wasEmpty(performance.now());
          answer(response);
          return false;
        }
        if (queue.size >= policy.maxWaiting) {
          refuseOne(response);
          return true;
        }
        const nowMs = performance.now();
        const one: Waiting = {
          response,
          // Its turn comes in somebody else's: what it does then must still be its own.
          admit: AsyncResource.bind(admit),
          sinceMs: nowMs,
          until: setTimeout(() => {
            leave(one);
            refuseOne(response);
          }, delay.longestWaitMs(nowMs)),
        };
        queue.add(one);
        response.once('close', () => {
          if (!queue.has(one)) return;
          figures.abandoned += 1;
          leave(one);
        });
        return true;
      },
      (error) => control.end(String(error)),
    );

    return {
      switch(on) {
        if (!on) admitAll();
      },
      stop() {
        remove();
        admitAll();
      },
      take() {
        const taken = { ...figures, answering, waiting: queue.size };
        Object.assign(figures, { admitted: 0, waited: 0, waitedMs: 0, refused: 0, abandoned: 0 });
        return taken;
      },
    };
  },
};
