import { agentProbe } from '../../measurement/agent-probe.ts';
import type { Domain } from '../domain.ts';
import { cacheResponses } from './remedies/cache-responses.ts';
import { cacheStatements } from './remedies/cache-statements.ts';
import { repeatedResponse } from './rules/repeated-response.ts';
import { repeatedStatement } from './rules/repeated-statement.ts';

/** Answers that are made again, and results that are read again, though nothing they are made of has changed. */
export const cache: Domain = {
  id: 'cache',
  title: 'Cache',
  requires: ['agent.routes', 'agent.runtime', 'agent.statements'],
  probes: [agentProbe],
  derivations: [],
  rules: [repeatedResponse, repeatedStatement],
  remedies: [cacheResponses, cacheStatements],
};
