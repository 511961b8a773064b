import { batchStatements, type BatchStatementsPolicy } from './batch-statements.ts';
import { breakCircuit, type BreakCircuitPolicy } from './break-circuit.ts';
import { cacheResponses, type CacheResponsesPolicy } from './cache-responses.ts';
import { cacheStatements, type CacheStatementsPolicy } from './cache-statements.ts';
import { coalesceRequests, type CoalesceRequestsPolicy } from './coalesce-requests.ts';
import { compressResponses, type CompressResponsesPolicy } from './compress-responses.ts';
import { conditionalResponses, type ConditionalResponsesPolicy } from './conditional-responses.ts';
import { limitPoolWaiting, type LimitPoolWaitingPolicy } from './limit-pool-waiting.ts';
import { limitRate, type LimitRatePolicy } from './limit-rate.ts';
import { outgoingKeepAlive, type OutgoingKeepAlivePolicy } from './outgoing-keep-alive.ts';
import { outgoingTimeout, type OutgoingTimeoutPolicy } from './outgoing-timeout.ts';
import type { PolicyKind } from './policy.ts';
import { poolSize, type PoolSizePolicy } from './pool-size.ts';
import { shedLoad, type ShedLoadPolicy } from './shed-load.ts';

export type Policy =
  | CacheResponsesPolicy
  | CacheStatementsPolicy
  | BatchStatementsPolicy
  | PoolSizePolicy
  | CoalesceRequestsPolicy
  | CompressResponsesPolicy
  | ConditionalResponsesPolicy
  | BreakCircuitPolicy
  | LimitPoolWaitingPolicy
  | LimitRatePolicy
  | OutgoingKeepAlivePolicy
  | OutgoingTimeoutPolicy
  | ShedLoadPolicy;

/** Every kind of policy this agent can carry out. */
export const policyKinds: readonly PolicyKind<Policy>[] = [
  cacheResponses,
  cacheStatements,
  batchStatements,
  poolSize,
  coalesceRequests,
  compressResponses,
  conditionalResponses,
  breakCircuit,
  limitPoolWaiting,
  limitRate,
  outgoingKeepAlive,
  outgoingTimeout,
  shedLoad,
];
