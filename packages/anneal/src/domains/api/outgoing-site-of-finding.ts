import type { Finding } from '../../finding/finding.ts';
import type { Measurement } from '../../measurement/measurement.ts';
import type { RouteObservation } from '../../measurement/observations.ts';
import { routeName } from './call-sites.ts';
import { outgoingSitesOf, type OutgoingSite } from './outgoing-sites.ts';

/** What a finding about how calls to another service are made was found in. */
export interface SiteOfFinding {
  readonly site: OutgoingSite;
  readonly peers: readonly string[];
  readonly location: { readonly file: string; readonly line: number } | null;
  /** Those that make the calls. */
  readonly routes: readonly RouteObservation[];
}

/** Null where the measurement does not hold the calls that the finding is about. */
export function siteOf({ subject }: Finding, { observations }: Measurement): SiteOfFinding | null {
  const routes = observations['agent.routes'] ?? [];
  const key = subject.kind === 'route' ? subject.key : null;
  const site = outgoingSitesOf(routes, 'http', 'place').find((candidate) => candidate.key === key);
  if (site === undefined) return null;
  const [first] = site.locations;
  return {
    site,
    peers: site.peer.split(', '),
    location: first === undefined ? null : { file: first.file, line: first.line },
    routes: routes.filter((route) => site.routes.includes(routeName(route))),
  };
}
