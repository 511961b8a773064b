import { pathOf } from '../../requests/templated-path.ts';

/**
 * Paths that are always let through: a load balancer whose health check is refused takes the whole process away, and
 * overload becomes an outage. These are the names that Kubernetes' and the frameworks' own documentation use.
 */
const healthPaths: readonly string[] = ['/health', '/healthz', '/livez', '/readyz', '/ready', '/live', '/ping'];

/** Whether a request's path is one of those, or at or below one of `further`. */
export function exemption(further: readonly string[]): (url: string | undefined) => boolean {
  const exact = new Set([...healthPaths, ...further]);
  const below = further.map((path) => (path.endsWith('/') ? path : `${path}/`));
  return (url = '/') => {
    const path = pathOf(url);
    return exact.has(path) || below.some((prefix) => path.startsWith(prefix));
  };
}
