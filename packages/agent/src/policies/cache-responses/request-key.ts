import type { IncomingMessage } from 'node:http';

/** Those that make a request one about what the client has already, or that let the client ask for a fresh answer. */
const conditional: ReadonlySet<string> = new Set([
  'if-none-match',
  'if-modified-since',
  'if-match',
  'if-unmodified-since',
  'if-range',
  'range',
  'expect',
  'upgrade',
  'transfer-encoding',
  'pragma',
]);

/** About the connection, or a name for this one request: no two would be equal otherwise. */
const alwaysIgnored: readonly string[] = [
  'connection',
  'keep-alive',
  'upgrade-insecure-requests',
  'traceparent',
  'tracestate',
  'baggage',
  'x-request-id',
  'x-correlation-id',
  'x-amzn-trace-id',
  'x-cloud-trace-context',
];

export function ignoredNames(ignored: readonly string[]): ReadonlySet<string> {
  return new Set([...alwaysIgnored, ...ignored.map((name) => name.toLowerCase())]);
}

/**
 * What two requests must have in common to be given one answer: all that the client sent, but for the ignored headers.
 * That keeps every identity apart (Authorization, cookies, and keys in headers of the application's own), every
 * `Accept`, and hosts. Null: not a plain GET.
 */
export function requestKey(request: IncomingMessage, ignored: ReadonlySet<string>): string | null {
  if (request.method !== 'GET') return null;
  let key = `${request.httpVersion} ${request.url ?? '/'}`;
  const { rawHeaders } = request;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    const value = rawHeaders[at + 1]!;
    if (conditional.has(name) || (name === 'content-length' && value !== '0')) return null;
    if (name === 'cache-control' && /no-cache|no-store|max-age=0/i.test(value)) return null;
    if (!ignored.has(name)) key += `\n${name}:${value}`;
  }
  return key;
}

const ignoredByDefault = ignoredNames([]);

/** The same for one client alone: by its address as well, where an answer may depend on that. */
export function clientKey(request: IncomingMessage, ignored: ReadonlySet<string> = ignoredByDefault): string | null {
  const key = requestKey(request, ignored);
  return key === null ? null : `${request.socket.remoteAddress ?? ''} ${key}`;
}

/** `/posts/:id` and its like as Express, Fastify, Koa and Hono write them, held against a URL's path. */
export function routeMatcher(routes: readonly string[]): (url: string) => string | null {
  const patterns = routes.map((route) => ({ route, pattern: new RegExp(`^${route.split('/').map(segmentPattern).join('/')}/?$`) }));
  return (url) => {
    const query = url.indexOf('?');
    const path = query === -1 ? url : url.slice(0, query);
    return patterns.find(({ pattern }) => pattern.test(path))?.route ?? null;
  };
}

function segmentPattern(segment: string): string {
  if (/^[:{[]/.test(segment)) return '[^/]+';
  return segment === '*' ? '.*' : segment.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
