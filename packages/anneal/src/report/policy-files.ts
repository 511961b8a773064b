import { stands, type Policy } from '@anneal/agent/protocol';
import { ownPolicyId } from '../trial/own-policy.ts';
import type { Trial } from '../trial/trial.ts';
import type { Assessment } from './assessment.ts';

/** `changes/001-shed-load.policies.json`: proven policies as the agent reads them. */
export interface PolicyFile {
  /** Below the run's folder. */
  readonly name: string;
  readonly content: string;
}

/** The lasting form of what was proven: of a policy that needs Anneal there is none. */
export function policyFiles({ trials }: Pick<Assessment, 'trials'>): readonly PolicyFile[] {
  return trials
    .flatMap((trial) => (trial.verdict.decision === 'keep' && trial.remedyId === ownPolicyId ? [policiesOf(trial)] : []))
    .filter((policies) => policies.every(stands))
    .map((policies, index) => ({ name: nameOf(policies, index), content: `${JSON.stringify({ policies }, null, 2)}\n` }));
}

/** The same trial, its lasting form being the file; `folder` is what the file's name is below. */
export function withPolicyFile(trial: Trial, folder: string): Trial {
  const [file] = policyFiles({ trials: [trial] });
  if (file === undefined) return trial;
  const lasting =
    `Start the backend with \`ANNEAL_POLICIES=${folder}/${file.name}\` and \`node --import @anneal/agent\`: what the file says is in force without Anneal. ` +
    'Keep the file with your deployment; without the variable the backend is as it was.';
  return { ...trial, description: { ...trial.description, lasting } };
}

function policiesOf({ plan }: Trial): readonly Policy[] {
  return (plan as unknown as { readonly policies: readonly Policy[] }).policies;
}

function nameOf(policies: readonly Policy[], index: number): string {
  return `changes/${String(index + 1).padStart(3, '0')}-${policies.map(({ kind }) => kind).join('+')}.policies.json`;
}
