import { agentProbe } from '../../measurement/agent-probe.ts';
import type { Domain } from '../domain.ts';
import { apiCodemods } from './codemods/index.ts';
import { keepOutgoingConnections } from './remedies/keep-outgoing-connections.ts';
import { coalesceRequests } from './remedies/coalesce-requests.ts';
import { compressResponses } from './remedies/compress-responses.ts';
import { limitOutgoingCalls } from './remedies/limit-outgoing-calls.ts';
import { batchStatements } from './remedies/batch-statements.ts';
import { tagResponses } from './remedies/tag-responses.ts';
import { resizePool } from './remedies/resize-pool.ts';
import { blockingCall } from './rules/blocking-call.ts';
import { chattyOutgoingCalls } from './rules/chatty-outgoing-calls.ts';
import { connectionHeld } from './rules/connection-held.ts';
import { duplicateQuery } from './rules/duplicate-query.ts';
import { garbageCollectionPressure } from './rules/garbage-collection-pressure.ts';
import { heapGrowth } from './rules/heap-growth.ts';
import { heavySerialisation } from './rules/heavy-serialisation.ts';
import { hotFunction } from './rules/hot-function.ts';
import { identicalConcurrentRequests } from './rules/identical-concurrent-requests.ts';
import { missingValidators } from './rules/missing-validators.ts';
import { outgoingWithoutKeepAlive } from './rules/outgoing-without-keep-alive.ts';
import { outgoingWithoutTimeout } from './rules/outgoing-without-timeout.ts';
import { overFetchedColumns } from './rules/over-fetched-columns.ts';
import { overFetchedRows } from './rules/over-fetched-rows.ts';
import { parallelNPlusOne } from './rules/parallel-n-plus-one.ts';
import { poolTooSmall } from './rules/pool-too-small.ts';
import { redisRoundTrips } from './rules/redis-round-trips.ts';
import { retryStorm } from './rules/retry-storm.ts';
import { sequentialNPlusOne } from './rules/sequential-n-plus-one.ts';
import { synchronousIo } from './rules/synchronous-io.ts';
import { transactionAcrossOutgoingCall } from './rules/transaction-across-outgoing-call.ts';
import { unboundedResult } from './rules/unbounded-result.ts';
import { uncompressedResponse } from './rules/uncompressed-response.ts';
import { waitsForAJob } from './rules/waits-for-a-job.ts';
import { workForAJob } from './rules/work-for-a-job.ts';

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
    synchronousIo,
    hotFunction,
    workForAJob,
    overFetchedRows,
    overFetchedColumns,
    uncompressedResponse,
    missingValidators,
    identicalConcurrentRequests,
    garbageCollectionPressure,
    heapGrowth,
    chattyOutgoingCalls,
    outgoingWithoutKeepAlive,
    outgoingWithoutTimeout,
    retryStorm,
    transactionAcrossOutgoingCall,
    redisRoundTrips,
    waitsForAJob,
  ],
  codemods: apiCodemods,
  remedies: [batchStatements, coalesceRequests, resizePool, keepOutgoingConnections, limitOutgoingCalls, compressResponses, tagResponses],
};
