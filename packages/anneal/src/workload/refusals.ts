import { setTimeout as sleep } from 'node:timers/promises';
import { refusalHeader } from '@anneal/agent/protocol';
import type { Answer, HttpClient } from './http-client.ts';

const header = refusalHeader.toLowerCase();

/** The kind of policy that refused the request; null for an answer of the application's own, whatever its status. */
export function refusedBy({ headers }: Pick<Answer, 'headers'>): string | null {
  const kind = headers[header];
  return typeof kind === 'string' ? kind : null;
}

/**
 * A client that comes back when it is told to (RFC 9110, section 10.2.3), until it has waited `mostMs` in all: whoever compares
 * answers needs every one of them, and a refusal is none. Afterwards refusals are passed on.
 */
export function patient(client: HttpClient, mostMs: number, signal: AbortSignal | undefined): HttpClient {
  let leftMs = mostMs;
  return {
    ...client,
    async send(request, keepBody) {
      for (;;) {
        const answer = await client.send(request, keepBody);
        if (refusedBy(answer) === null || signal?.aborted === true) return answer;
        const waitMs = Math.max(Number(answer.headers['retry-after']) || 1, 1) * 1000;
        if (waitMs > leftMs) return answer;
        leftMs -= waitMs;
        await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
      }
    },
  };
}
