import type { AgentSummary, PoolSummary, SourceLocation } from '@anneal/agent/protocol';
import type { AgentControl } from '../ports/agent.ts';
import type { Gap, Probe, ProbeContext, ProbeReading } from './measurement.ts';
import type { Capability, Observations, PoolObservation, ProfileObservation, RuntimeObservation } from './observations.ts';
import { type Locate, locator, observeSummary } from './observe-summary.ts';
import { openTraceWindow } from './trace-window.ts';

const provides = [
  'agent.routes',
  'agent.pools',
  'agent.runtime',
  'agent.profile',
  'agent.statements',
] as const satisfies readonly Capability[];

/** What the agent saw inside the target between two flushes. */
export const agentProbe: Probe = {
  id: 'agent',
  provides,
  async open(context) {
    const { agent } = context;
    if (agent === null)
      return context.traces === undefined ? { close: () => Promise.resolve(withoutAgent) } : openTraceWindow(context, context.traces);
    await agent.flush();
    const refusal = await startProfile(agent);
    return { close: async () => readingOf(await agent.flush(), agent, context, refusal) };
  },
};

const withoutAgent: ProbeReading = {
  observations: {},
  gaps: provides.map((capability) => ({ capability, reason: 'the target runs without the agent' })),
};

/** Everything else is worth measuring without a profile, on a Node built without the inspector for one. Null when it runs. */
async function startProfile(agent: AgentControl): Promise<string | null> {
  try {
    await agent.startProfile();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function readingOf(summary: AgentSummary, agent: AgentControl, context: ProbeContext, profileRefusal: string | null): ProbeReading {
  const locate = locator([context.workingDirectory, agent.hello.workingDirectory]);
  const { routes, statements, samples } = observeSummary(summary, context.sqlParser, locate);
  const observations: Partial<{ -readonly [Key in Capability]: Observations[Key] }> = {
    'agent.routes': routes,
    'agent.runtime': runtimeObservation(summary, agent),
  };
  const gaps: Gap[] = [];
  if (summary.hooks.some((hook) => /^(?:pg|postgres|mysql2) /.test(hook))) {
    observations['agent.pools'] = summary.pools.map((pool) => poolObservation(pool, locate));
    observations['agent.statements'] = statements;
  } else {
    const reason = 'the target has loaded none of the drivers the agent reads: pg, postgres, mysql2';
    gaps.push({ capability: 'agent.pools', reason }, { capability: 'agent.statements', reason });
  }
  if (summary.profile === null) {
    gaps.push({ capability: 'agent.profile', reason: profileRefusal ?? 'the agent took no profile' });
  } else observations['agent.profile'] = profileObservation(summary.profile, locate);
  return {
    observations,
    samples,
    gaps,
    problems: [...summary.problems, ...unseen(agent.othersUnseen())].map((problem) => `agent: ${problem}`),
  };
}

/** What one of several processes did cannot be multiplied: nobody knows how the traffic was spread over them. */
export function unseen(others: number): readonly string[] {
  if (others === 0) return [];
  const [who, what] = others === 1 ? ['another process', 'what it does'] : [`${others} other processes`, 'what they do'];
  return [
    `${who} of the target served as well, as workers of a cluster do: ${what} is in no figure of the agent's, and no policy acts on it. ` +
      'Start the backend as one process to see all of it',
  ];
}

function poolObservation(pool: PoolSummary, locate: Locate): PoolObservation {
  return { ...pool, location: pool.location === null ? null : locate(pool.location), waitMs: pool.waitUs.sum / 1000 };
}

function runtimeObservation({ runtime, hooks, fromMs, toMs }: AgentSummary, agent: AgentControl): RuntimeObservation {
  const others = agent.othersUnseen();
  const { nodeVersion } = agent.hello;
  return { ...runtime, nodeVersion, windowMs: toMs - fromMs, hooks, ...(others === 0 ? {} : { otherProcesses: others }) };
}

function profileObservation(profile: NonNullable<AgentSummary['profile']>, locate: Locate): ProfileObservation {
  const { intervalUs, sampledMs, functions, heap } = profile;
  const located = <Item extends { readonly location: SourceLocation }>(items: readonly Item[]) =>
    items.map((item) => ({ ...item, location: locate(item.location) }));
  return {
    intervalUs,
    sampledMs,
    functions: located(functions),
    heap: heap === null ? null : { ...heap, allocators: located(heap.allocators), survivors: located(heap.survivors) },
  };
}
