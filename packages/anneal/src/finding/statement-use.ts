import type { RouteObservation } from '../measurement/observations.ts';

/** What one statement brought to the routes that run it, and what those answered. Sums over the routes. */
export interface StatementUse {
  readonly calls: number;
  /** As the client waited for it. */
  readonly totalMs: number;
  readonly receivedBytes: number;
  /** All that the calling routes answered with: no more than this can have been used. */
  readonly responseBytes: number;
  /** Requests to the calling routes. */
  readonly requests: number;
  /** Serialising the calling routes' answers, as far as this statement brought the bytes. */
  readonly serialisationMs: number;
  /** `GET /orders/:id` */
  readonly routes: readonly string[];
}

export function useOf(statementId: string, routes: readonly RouteObservation[]): StatementUse {
  const uses = routes.flatMap((route) => {
    const own = route.statements.filter((seen) => seen.statementId === statementId);
    return own.length === 0 ? [] : [{ route, own }];
  });
  const sum = (figure: (use: (typeof uses)[number]) => number) => uses.reduce((total, use) => total + figure(use), 0);
  const over = (seen: RouteObservation['statements'], figure: 'calls' | 'totalMs' | 'receivedBytes') =>
    seen.reduce((total, site) => total + site[figure], 0);
  return {
    calls: sum(({ own }) => over(own, 'calls')),
    totalMs: sum(({ own }) => over(own, 'totalMs')),
    receivedBytes: sum(({ own }) => over(own, 'receivedBytes')),
    responseBytes: sum(({ route }) => route.responseBytes),
    requests: sum(({ route }) => route.requests),
    serialisationMs: sum(({ route, own }) => {
      const received = over(route.statements, 'receivedBytes');
      return received === 0 ? 0 : route.serialisationMs * (over(own, 'receivedBytes') / received);
    }),
    routes: uses.map(({ route }) => `${route.method} ${route.route}`),
  };
}
