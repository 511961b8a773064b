import type { ServerResponse } from 'node:http';

/** Tells a refusal of the agent's from an answer of the application's own with the same status; its value is the kind of policy. */
export const refusalHeader = 'Anneal-Refused';

export interface Refusal {
  readonly by: string;
  /** Told whole: RFC 9110, section 10.2.3, knows no fractions. */
  readonly retryAfterSeconds: number;
}

/** Answers in place of the application. */
export function refuse(response: ServerResponse, status: 429 | 503, { by, retryAfterSeconds }: Refusal): void {
  const text = status === 429 ? 'Too many requests.\n' : 'Too busy to answer now.\n';
  response.statusCode = status;
  response.setHeader(refusalHeader, by);
  response.setHeader('Retry-After', String(Math.max(Math.ceil(retryAfterSeconds), 1)));
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('Content-Length', String(Buffer.byteLength(text)));
  response.setHeader('Cache-Control', 'no-store');
  response.end(text);
}
