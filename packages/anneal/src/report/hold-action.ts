import type { Trial } from '../trial/trial.ts';

/** What ended with its trial and `anneal hold` can put in force again. */
export interface Holdable {
  readonly trialIds: readonly string[];
  /** Where it meets the backend, relative to the backend's folder. */
  readonly socketPath: string;
}

/** How kept policies are put in force where the backend is used, and how they are ended there; nothing where none was kept. */
export function holdAction(kept: readonly Trial[], { trialIds, socketPath }: Holdable): readonly string[] {
  const policies = kept.filter(({ id }) => trialIds.includes(id));
  if (policies.length === 0) return [];
  const named = policies.map(({ id, description }) => `${description.title} (${id})`).join('; ');
  return [
    `Without a change of the code: start the backend with \`ANNEAL_HOLD=${socketPath}\` and \`node --import @anneal/agent\`, and \`anneal hold\` beside it keeps in force: ${named}. ` +
      'Off at once by Ctrl-C or, one of them and for good, by `anneal rollback <id>`; by themselves when `anneal hold` is killed or hangs (docs/how-to/hold-proven-policies.md).',
  ];
}
