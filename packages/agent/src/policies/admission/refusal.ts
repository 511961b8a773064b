import type { ServerResponse } from 'node:http';

/** Answers in place of the application. `retryAfterSeconds` is whole: RFC 9110, section 10.2.3, knows no fractions. */
export function refuse(response: ServerResponse, status: 429 | 503, retryAfterSeconds: number): void {
  const text = status === 429 ? 'Too many requests.\n' : 'Too busy to answer now.\n';
  response.statusCode = status;
  response.setHeader('Retry-After', String(Math.max(Math.ceil(retryAfterSeconds), 1)));
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('Content-Length', String(Buffer.byteLength(text)));
  response.setHeader('Cache-Control', 'no-store');
  response.end(text);
}
