import { agentProbe } from '../../measurement/agent-probe.ts';
import type { Domain } from '../domain.ts';
import { apiCodemods } from './codemods/index.ts';
import { resizePool } from './remedies/resize-pool.ts';
import { blockingCall } from './rules/blocking-call.ts';
import { chattyOutgoingCalls } from './rules/chatty-outgoing-calls.ts';
import { connectionHeld } from './rules/connection-held.ts';
import { duplicateQuery } from './rules/duplicate-query.ts';
import { heavySerialisation } from './rules/heavy-serialisation.ts';
import { outgoingWithoutKeepAlive } from './rules/outgoing-without-keep-alive.ts';
import { outgoingWithoutTimeout } from './rules/outgoing-without-timeout.ts';
import { parallelNPlusOne } from './rules/parallel-n-plus-one.ts';
import { poolTooSmall } from './rules/pool-too-small.ts';
import { redisRoundTrips } from './rules/redis-round-trips.ts';
import { retryStorm } from './rules/retry-storm.ts';
import { sequentialNPlusOne } from './rules/sequential-n-plus-one.ts';
import { transactionAcrossOutgoingCall } from './rules/transaction-across-outgoing-call.ts';
import { unboundedResult } from './rules/unbounded-result.ts';
import { waitsForAJob } from './rules/waits-for-a-job.ts';

export const api: Domain = {
  id: 'api',
  title: 'Application code',
  requires: ['agent.routes', 'agent.runtime'],
  probes: [agentProbe],
  derivations: [],
  rules: [
    sequentialNPlusOne,
    parallelNPlusOne,
    duplicateQuery,
    poolTooSmall,
    connectionHeld,
    blockingCall,
    unboundedResult,
    heavySerialisation,
    chattyOutgoingCalls,
    outgoingWithoutKeepAlive,
    outgoingWithoutTimeout,
    retryStorm,
    transactionAcrossOutgoingCall,
    redisRoundTrips,
    waitsForAJob,
  ],
  codemods: apiCodemods,
  remedies: [resizePool],
};
