import type { Measurement } from '../measurement/measurement.ts';

/**
 * Why the agent would refuse a policy that answers statements in the database's place, or keeps what they answered; null where
 * it would not, or where nobody saw the drivers. It stands before the calls of node-postgres alone, and what another driver of
 * the process writes it would learn of too late, or never.
 */
export function whyOutOfReach({ observations }: Pick<Measurement, 'observations'>): string | null {
  const hooks = observations['agent.runtime']?.hooks;
  if (hooks === undefined) return null;
  const loaded = hooks.filter((hook) => /^(?:pg|postgres|mysql2) /.test(hook));
  const nodePostgres = loaded.find((hook) => hook.startsWith('pg ') && !hook.includes('not in use'));
  if (nodePostgres === undefined) {
    const present = loaded.filter((hook) => !hook.startsWith('pg '));
    const sent =
      present.length === 0 ? 'which the backend has not loaded' : `and this backend sends its statements through ${present.join(' and ')}`;
    return `the agent acts on statements of node-postgres (pg) only, ${sent}`;
  }
  // A MySQL server has no part in what PostgreSQL answers.
  const beside = loaded.find((hook) => hook.startsWith('postgres '));
  return beside === undefined
    ? null
    : `${beside} is loaded beside ${nodePostgres}, and the agent would not notice in time what is written through it`;
}
