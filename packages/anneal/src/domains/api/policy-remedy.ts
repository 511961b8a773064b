import type { Policy } from '@anneal/agent/protocol';
import { AnnealError } from '../../errors.ts';
import type { RuleId } from '../../finding/finding.ts';
import type { Json, Remedy } from '../../remedy/remedy.ts';

/**
 * How a remedy that is one policy of the agent is carried out. A policy ends with the agent's socket: without an agent there is
 * nothing left of it, and nothing can be applied.
 */
export function carriedOutByAgent<Plan extends Json>(
  remedy: RuleId,
  policyId: (plan: Plan) => string,
  policyOf: (plan: Plan) => Policy,
): Pick<Remedy<Plan>, 'inspect' | 'apply' | 'revert' | 'cost'> {
  return {
    async inspect(plan, { agent }) {
      return agent !== null && (await agent.policies()).includes(policyId(plan)) ? 'present' : 'absent';
    },
    async apply(plan, { agent, share, expiresAfterMs }) {
      if (agent === null) throw new AnnealError('ANNEAL_APPLY_FAILED', { remedy, problem: 'the target runs without the agent' });
      if ((await agent.policies()).includes(policyId(plan))) return;
      await agent.apply(policyId(plan), policyOf(plan), { share, expiresAfterMs });
    },
    async revert(plan, { agent }) {
      await agent?.revoke(policyId(plan));
    },
    // Rows fetched ahead, requests that wait and connections to services are held by the process, whose memory the trial guards;
    // `connections` counts those of the database.
    cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: 0 }),
  };
}
