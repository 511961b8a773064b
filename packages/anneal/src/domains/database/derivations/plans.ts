import type { Derivation, Gap } from '../../../measurement/measurement.ts';
import { explainStatements } from '../probes/plans.ts';

/** Plans are asked for after the window, so that planning is no part of what is measured. */
export const plans: Derivation = {
  id: 'plans',
  provides: ['postgres.plans'],
  async derive({ sql }, { 'postgres.statements': statements }, samples) {
    const capability = 'postgres.plans';
    if (sql === null) return { observations: {}, gaps: [{ capability, reason: 'the target has no database' }] };
    if (statements === undefined) return { observations: {}, gaps: [{ capability, reason: 'no statements were seen' }] };
    const gaps: Gap[] = [];
    const texts = new Map(statements.map(({ id, text }) => [id, text]));
    const found = await explainStatements(sql, statements, samples, {
      onGap: (id, reason) => gaps.push({ capability, reason: `no plan for "${texts.get(id) ?? id}": ${reason}` }),
    });
    return { observations: { 'postgres.plans': found }, gaps };
  },
};
