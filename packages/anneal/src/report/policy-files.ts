import type { Json } from '../remedy/remedy.ts';
import type { Trial } from '../trial/trial.ts';
import { isKept } from './story.ts';

/** `changes/001-shed-load.policies.json`: what was kept and can act without Anneal, as the agent reads it; one file, because it reads one. */
export interface PolicyFile {
  /** Below the run's folder. */
  readonly name: string;
  readonly content: string;
  /** What a person does with it. */
  readonly action: string;
}

/** Null where nothing was kept that can be in force without Anneal. */
export function policyFile(trials: readonly Trial[]): PolicyFile | null {
  const kept = trials.filter((trial) => isKept(trial) && trial.description.policies !== undefined);
  const policies = kept.flatMap(({ description }) => description.policies ?? []);
  if (policies.length === 0) return null;
  const name = `changes/001-${[...new Set(policies.map(kindOf))].join('+')}.policies.json`;
  return {
    name,
    content: `${JSON.stringify({ policies }, null, 2)}\n`,
    action:
      `Without a change of the code: start the backend with \`ANNEAL_POLICIES=${name}\` (in this run's folder; keep it with your deployment) and ` +
      `\`node --import @anneal/agent\`. In force without Anneal, until the variable is taken away: ${kept.map(({ description }) => description.title).join('; ')}.`,
  };
}

function kindOf(policy: Json): string {
  return (policy as { readonly kind: string }).kind;
}
