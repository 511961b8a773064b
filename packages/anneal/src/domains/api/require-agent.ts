import { AnnealError } from '../../errors.ts';
import type { AgentControl } from '../../ports/agent.ts';
import type { ActContext } from '../../remedy/remedy.ts';

/** For remedies that are policies: nothing can be applied to a target that runs without the agent. */
export function requireAgent({ agent }: ActContext, remedy: string): AgentControl {
  if (agent === null) throw new AnnealError('ANNEAL_APPLY_FAILED', { remedy, problem: 'the target runs without the agent' });
  return agent;
}
