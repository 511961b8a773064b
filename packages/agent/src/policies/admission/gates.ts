import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { ownServers } from '../../hooks/http.ts';
import { wrapMethod } from '../../hooks/patch.ts';

/**
 * Decides on a request before the application, and whatever observes it, sees it. True: the gate has taken it over, and
 * answers it or calls `admit` later. Whatever it throws lets the request through.
 */
export type Gate = (request: IncomingMessage, response: ServerResponse, admit: () => void) => boolean;

interface Placed {
  readonly gate: Gate;
  readonly failed: (error: unknown) => void;
}

/** Replaced, never changed: a request that waits at one gate goes on through those that were there when it came. */
let gates: readonly Placed[] = [];
let unwrap = (): void => undefined;

/**
 * Puts a gate before every HTTP/1 server of this process but the agent's own; the function returned takes it away again. One wrapper serves
 * all gates, so that they come and go in any order and the last one leaves the method as it was found.
 */
export function placeGate(gate: Gate, failed: (error: unknown) => void): () => void {
  const placed = { gate, failed };
  if (gates.length === 0) unwrap = wrapServers();
  gates = [...gates, placed];
  return () => {
    gates = gates.filter((other) => other !== placed);
    if (gates.length > 0) return;
    unwrap();
  };
}

function wrapServers(): () => void {
  let inPlace = true;
  const undo = [http.Server.prototype, https.Server.prototype].map((owner) =>
    wrapMethod(
      owner,
      'emit',
      (original) =>
        function emit(this: unknown, ...args) {
          if (args[0] !== 'request' || !inPlace || ownServers.has(this as object)) return Reflect.apply(original, this, args);
          return passes(args[1] as IncomingMessage, args[2] as ServerResponse, gates, () => Reflect.apply(original, this, args));
        },
    ),
  );
  return () => {
    // Where somebody has wrapped it in turn it stays, and lets everything through: the next gate gets a wrapper of its own.
    inPlace = false;
    for (const remove of undo) remove?.();
  };
}

function passes(request: IncomingMessage, response: ServerResponse, through: readonly Placed[], enter: () => unknown): unknown {
  for (const [index, { gate, failed }] of through.entries()) {
    try {
      if (gate(request, response, () => void passes(request, response, through.slice(index + 1), enter))) return true;
    } catch (error) {
      failed(error);
    }
  }
  return enter();
}
