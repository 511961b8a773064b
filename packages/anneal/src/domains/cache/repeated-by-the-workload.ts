import { quantity } from '../../finding/wording.ts';
import type { RouteObservation } from '../../measurement/observations.ts';
import type { LoadResult } from '../../workload/load-result.ts';

/** Why repetition may be the workload's doing and not its clients'; null where it is not. */
export function doubtOf(load: LoadResult, route: RouteObservation): string | null {
  const addresses = writtenAddresses(load, route);
  if (addresses > 0) {
    return `The workload itself asks for ${quantity(addresses)} written-out address${addresses === 1 ? '' : 'es'} of it: recorded traffic would tell whether clients do.`;
  }
  const { identifiedReads = 0, reads = 0 } = route.answers ?? {};
  return identifiedReads * 2 > reads
    ? 'Its clients are the few sessions that the workload opens, each many people at once: recorded traffic would tell how often one of them asks again.'
    : null;
}

/** Steps of the workload that write out an address of a route which takes parameters; their names are their addresses where nobody named them. */
function writtenAddresses({ steps }: LoadResult, { method, route }: RouteObservation): number {
  if (!/[:{*<]/.test(route)) return 0;
  const pattern = route
    .split('/')
    .map((segment) => (/[:{*<]/.test(segment) ? '[^/?]+' : segment.replaceAll(/[.+?^$()|[\]\\]/g, String.raw`\$&`)))
    .join('/');
  const address = new RegExp(`^(?:\\d+\\. )?${method} ${pattern}(?:\\?.*)?$`);
  return steps.filter(({ name }) => address.test(name) && !name.includes('{')).length;
}
