/**
 * Whether a workload step and a framework's route name the same endpoint: `GET /posts/{postId}?page=2`
 * and `GET /posts/:id`. Parameters match parameters or any fixed text, everything else must be equal.
 */
export function stepIsOfRoute(step: string, route: string): boolean {
  const [stepMethod, stepPath] = split(step);
  const [routeMethod, routePath] = split(route);
  if (stepMethod !== routeMethod || stepPath.length !== routePath.length) return false;
  return routePath.every((segment, index) => segment.startsWith(':') || segment === stepPath[index]);
}

/** How many parts of its path a route leaves open. */
export function parametersOf(route: string): number {
  return split(route)[1].filter((segment) => segment.startsWith(':')).length;
}

function split(endpoint: string): readonly [string, readonly string[]] {
  const [method = '', path = ''] = endpoint.split(' ');
  return [method, path.replace(/\?.*$/, '').replace(/\/$/, '').split('/')];
}
