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

/** Of the routes that fit the one with the fewest parameters, which is the one a router takes: /users/newcomers before /users/:id. Null: none fits. */
export function routeOfStep(step: string, routes: Iterable<string>): string | null {
  const [own] = [...routes].filter((route) => stepIsOfRoute(step, route)).toSorted((one, other) => parametersOf(one) - parametersOf(other));
  return own ?? null;
}

/** How many parts of its path a route leaves open. */
function parametersOf(route: string): number {
  return split(route)[1].filter((segment) => segment.startsWith(':')).length;
}

function split(endpoint: string): readonly [string, readonly string[]] {
  const [method = '', path = ''] = endpoint.split(' ');
  return [method, path.replace(/\?.*$/, '').replace(/\/$/, '').split('/')];
}
