import type { Derivation } from '../../../measurement/measurement.ts';
import { joinStatements } from '../../../measurement/statements.ts';

/** One list of statements from whichever of the agent and the server saw them. */
export const statements: Derivation = {
  id: 'statements',
  provides: ['postgres.statements'],
  async derive(_, { 'agent.statements': agent, 'postgres.server-statements': server }) {
    if (agent === undefined && server === undefined) {
      return {
        observations: {},
        gaps: [{ capability: 'postgres.statements', reason: 'neither the agent nor pg_stat_statements saw statements' }],
      };
    }
    return { observations: { 'postgres.statements': joinStatements(agent ?? [], server ?? []) }, gaps: [] };
  },
};
