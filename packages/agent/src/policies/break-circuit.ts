import type { ClientRequest, IncomingMessage } from 'node:http';
import { failedStatus } from '../outgoing/outgoing-http.ts';
import { answerRequest, cannedResponse, type CannedAnswer } from './outgoing/canned-answer.ts';
import { Circuit, type CircuitLimits, type Outcome, type Pass } from './outgoing/circuit.ts';
import { interceptFetch, interceptRequests } from './outgoing/interception.ts';
import type { PolicyKind } from './policy.ts';

/** Stops asking a peer that fails, so that its callers fail at once instead of late and it has time to recover. All limits are the user's. */
export interface BreakCircuitPolicy extends CircuitLimits {
  readonly kind: 'break-circuit';
  /** `host:port`, without the port where it is the scheme's own. */
  readonly peer: string;
  /** Answered in the peer's place while the circuit is open; null: the call fails. */
  readonly fallback: CannedAnswer | null;
}

export const breakCircuit: PolicyKind<BreakCircuitPolicy> = {
  kind: 'break-circuit',
  actsOn: 'requests',

  start(policy, { observer }, others, control) {
    const rival = others.find((other) => other.policy.peer === policy.peer);
    if (rival !== undefined) return `the peer ${policy.peer} is already behind the policy ${rival.id}`;
    const { peer, fallback } = policy;
    const figures = { passed: 0, failed: 0, refused: 0, fallbacks: 0 };
    let circuit = new Circuit(policy, performance.now());

    const left = (of: Circuit, pass: number, outcome: Outcome) => {
      if (outcome === 'failed') figures.failed += 1;
      of.left(pass, outcome, performance.now());
    };
    const failed = (error: unknown) => control.end(String(error));

    const undo = [
      interceptFetch((call, next) => {
        if (!control.on || call.peer !== peer) return next(call.init);
        const entered = circuit;
        const spared = control.draw?.(observer.current()) === false;
        const pass = passOf(entered, spared);
        if (pass === null) {
          if (spared) return next(call.init);
          figures.refused += 1;
          if (fallback === null) return Promise.reject(new TypeError('fetch failed', { cause: openCircuit(peer) }));
          figures.fallbacks += 1;
          return Promise.resolve(cannedResponse(fallback));
        }
        figures.passed += 1;
        return next(call.init).then(
          (response) => {
            left(entered, pass, failedStatus(response.status) ? 'failed' : 'succeeded');
            return response;
          },
          (error: unknown) => {
            left(entered, pass, givenUp(error) ? 'nothing' : 'failed');
            throw error;
          },
        );
      }, failed),

      interceptRequests(({ agent, request, peer: asked }, next) => {
        if (!control.on || asked !== peer) {
          next(agent);
          return;
        }
        const entered = circuit;
        const spared = control.draw?.(observer.current()) === false;
        const pass = passOf(entered, spared);
        if (pass !== null) {
          figures.passed += 1;
          // Not by its `error`: whoever listens there keeps an error that nobody handles from being one.
          request.once('close', () => left(entered, pass, outcomeOf(request)));
          next(agent);
          return;
        }
        if (spared) {
          next(agent);
          return;
        }
        figures.refused += 1;
        if (fallback !== null) {
          figures.fallbacks += 1;
          answerRequest(request, fallback);
          return;
        }
        // Its caller has not had the chance to listen yet. An error that nobody handles would end the process.
        process.nextTick(() => {
          if (request.listenerCount('error') === 0) next(agent);
          else (request as unknown as FailingRequest).onSocket(null, openCircuit(peer));
        });
      }, failed),
    ];

    return {
      switch(on) {
        if (!on) circuit = new Circuit(policy, performance.now());
      },
      stop() {
        for (const remove of undo) remove();
      },
      take() {
        const taken = { ...figures, closed: circuit.isClosed ? 1 : 0 };
        Object.assign(figures, { passed: 0, failed: 0, refused: 0, fallbacks: 0 });
        return taken;
      },
    };
  },
};

/** Of calls that the policy has no share in the circuit learns how the peer is; they are neither refused nor counted as probes. */
function passOf(circuit: Circuit, spared: boolean): Pass | null {
  return spared && !circuit.isClosed ? null : circuit.enter(performance.now());
}

/** How Node's own agents report a connection that could not be made. */
interface FailingRequest {
  onSocket(socket: null, error: Error): void;
}

function openCircuit(peer: string): Error {
  return Object.assign(new Error(`the circuit to ${peer} is open`), { code: 'ANNEAL_CIRCUIT_OPEN' });
}

function outcomeOf(request: ClientRequest): Outcome {
  const { res: response } = request as ClientRequest & { readonly res?: IncomingMessage | null };
  if (response !== undefined && response !== null) return failedStatus(response.statusCode ?? 0) ? 'failed' : 'succeeded';
  return request.errored === null || givenUp(request.errored) ? 'nothing' : 'failed';
}

/** By the application itself. Its own limit of time is no such thing: the peer was too slow. */
function givenUp(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
