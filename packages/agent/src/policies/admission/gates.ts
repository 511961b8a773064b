import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import { wrapMethod } from '../../hooks/patch.ts';

/**
 * Decides on a request before the application, and whatever observes it, sees it. True: the gate has taken it over, and
 * answers it or calls `admit` later. Whatever it throws lets the request through.
 */
export type Gate = (request: IncomingMessage, response: ServerResponse, admit: () => void) => boolean;

const gates: { readonly gate: Gate; readonly failed: (error: unknown) => void }[] = [];
let unwrap: readonly (() => void)[] = [];

/**
 * Puts a gate before every HTTP/1 server of this process; the function returned takes it away again. One wrapper serves
 * all gates, so that they come and go in any order and the last one leaves the method as it was found.
 */
export function placeGate(gate: Gate, failed: (error: unknown) => void): () => void {
  const placed = { gate, failed };
  if (gates.length === 0) unwrap = wrapServers();
  gates.push(placed);
  return () => {
    const index = gates.indexOf(placed);
    if (index === -1) return;
    gates.splice(index, 1);
    if (gates.length > 0) return;
    for (const undo of unwrap) undo();
    unwrap = [];
  };
}

function wrapServers(): readonly (() => void)[] {
  // An https.Server has a method of its own where the agent observes it, else it inherits that of a plain one.
  const owners = [http.Server.prototype, https.Server.prototype].filter((owner) => Object.hasOwn(owner, 'emit'));
  return (owners.length === 0 ? [http.Server.prototype] : owners)
    .map((owner) =>
      wrapMethod(
        owner,
        'emit',
        (original) =>
          function emit(this: unknown, ...args) {
            if (args[0] !== 'request') return Reflect.apply(original, this, args);
            return passes(this, args[1] as IncomingMessage, args[2] as ServerResponse, 0, () => Reflect.apply(original, this, args));
          },
      ),
    )
    .filter((undo) => undo !== null);
}

/** One gate after the other, from `from` on: one that lets a request wait must not let it past those behind it. */
function passes(server: unknown, request: IncomingMessage, response: ServerResponse, from: number, enter: () => unknown): unknown {
  for (let index = from; index < gates.length; index += 1) {
    const { gate, failed } = gates[index]!;
    try {
      if (gate(request, response, () => void passes(server, request, response, index + 1, enter))) return true;
    } catch (error) {
      failed(error);
    }
  }
  return enter();
}
