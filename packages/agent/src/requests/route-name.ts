import type { OpenRequest } from './request.ts';

/** A request's route: by its framework's word where that says, else by its URL as the client sent it. `request` is null where none is open. */
export function routeNameOf(request: Pick<OpenRequest, 'route' | 'nameAtClose'> | null, incoming: object, url: string): string {
  return request?.route ?? request?.nameAtClose?.() ?? expressRoute(incoming, url) ?? templatedPath(url);
}

/**
 * A route's name where no framework gives one: the path with every segment that looks like data
 * (numbers, UUIDs, long tokens with digits in them) replaced by `:id`.
 */
export function templatedPath(url: string): string {
  const path = pathOf(url);
  if (!/[\d%]|[^/]{24}/.test(path)) return path;
  return path
    .split('/')
    .map((segment) => (isData(segment) ? ':id' : segment))
    .join('/');
}

/** Express's own answer: where the router is mounted, plus the route's pattern; null before one matched. */
export function expressRoute(request: object, url: string): string | null {
  const { route, baseUrl } = request as { readonly route?: { readonly path?: unknown }; readonly baseUrl?: unknown };
  if (typeof route !== 'object' || route === null) return null;
  const pattern: unknown = Array.isArray(route.path) ? route.path[0] : route.path;
  if (typeof pattern !== 'string' && !(pattern instanceof RegExp)) return null;
  const mounted = typeof baseUrl === 'string' && baseUrl !== '' ? templatedPath(baseUrl) : lostMount(pattern, url);
  const name = mounted + (pattern === '/' && mounted !== '' ? '' : String(pattern));
  return name === '' ? '/' : name;
}

/** A router forgets where it is mounted when its handler fails: then it is what the URL has in front of the pattern. */
function lostMount(pattern: string | RegExp, url: string): string {
  if (typeof pattern !== 'string' || /[*?+(){}]/.test(pattern)) return '';
  const segments = pathOf(url).split('/').filter(Boolean);
  const extra = segments.length - pattern.split('/').filter(Boolean).length;
  return extra > 0 ? templatedPath(`/${segments.slice(0, extra).join('/')}`) : '';
}

export function pathOf(url: string): string {
  const start = url.startsWith('/') ? 0 : Math.max(url.indexOf('/', url.indexOf('://') + 3), 0);
  const end = url.slice(start).search(/[?#]/);
  const path = end === -1 ? url.slice(start) : url.slice(start, start + end);
  return path === '' ? '/' : path;
}

const uuid = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i;

function isData(segment: string): boolean {
  return (
    /^\d+$/.test(segment) ||
    uuid.test(segment) ||
    /^[\da-f]{16,}$/i.test(segment) ||
    // Identifiers of every kind (ULID, nanoid, JWT): long, unbroken by words, with digits among the letters.
    (segment.length >= 16 && /\d/.test(segment) && /^[\w.~-]+$/.test(segment) && /\d.*\d/.test(segment)) ||
    segment.includes('%')
  );
}
