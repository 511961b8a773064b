import { mountName } from './mounts.ts';
import type { OpenRequest } from './request.ts';
import { pathOf, templatedPath } from './templated-path.ts';

/** A request's route: by its framework's word where that says, else by its URL as the client sent it. `request` is null where none is open. */
export function routeNameOf(request: Pick<OpenRequest, 'route' | 'nameAtClose'> | null, incoming: object, url: string): string {
  return request?.route ?? request?.nameAtClose?.() ?? expressRoute(incoming, url) ?? templatedPath(url);
}

/** Express's own answer: where the router is mounted, plus the route's pattern; null before one matched. */
export function expressRoute(request: object, url: string): string | null {
  const { route, baseUrl } = request as { readonly route?: { readonly path?: unknown }; readonly baseUrl?: unknown };
  if (typeof route !== 'object' || route === null) return null;
  const pattern: unknown = Array.isArray(route.path) ? route.path[0] : route.path;
  if (typeof pattern !== 'string' && !(pattern instanceof RegExp)) return null;
  const mounted = typeof baseUrl === 'string' && baseUrl !== '' ? mountName(baseUrl) : lostMount(pattern, url);
  const name = mounted + (pattern === '/' && mounted !== '' ? '' : String(pattern));
  return name === '' ? '/' : name;
}

/** A router forgets where it is mounted when its handler fails: then it is what the URL has in front of the pattern. */
function lostMount(pattern: string | RegExp, url: string): string {
  if (typeof pattern !== 'string' || /[*?+(){}]/.test(pattern)) return '';
  const segments = pathOf(url).split('/').filter(Boolean);
  const extra = segments.length - pattern.split('/').filter(Boolean).length;
  return extra > 0 ? mountName(`/${segments.slice(0, extra).join('/')}`) : '';
}
