import type { Finding } from '../finding/finding.ts';
import type { Json, PlanningContext, Remedy } from './remedy.ts';

/** Why a finding has no such remedy, as a sentence for the report. */
export interface Refused {
  readonly refused: string;
}

/** A plan, and why there is none, from one choice. */
export function chosenBy<Plan extends Json>(
  choose: (finding: Finding, context: PlanningContext) => Plan | Refused | Promise<Plan | Refused>,
): Required<Pick<Remedy<Plan>, 'plan' | 'explainRefusal'>> {
  return {
    async plan(finding, context) {
      const choice = await choose(finding, context);
      return isRefused(choice) ? null : choice;
    },
    async explainRefusal(finding, context) {
      const choice = await choose(finding, context);
      return isRefused(choice) ? choice.refused : null;
    },
  };
}

function isRefused(choice: Json | Refused): choice is Refused {
  return typeof choice === 'object' && choice !== null && 'refused' in choice;
}
