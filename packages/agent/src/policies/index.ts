import { batchStatements, type BatchStatementsPolicy } from './batch-statements.ts';
import type { PolicyKind } from './policy.ts';
import { poolSize, type PoolSizePolicy } from './pool-size.ts';

export type Policy = BatchStatementsPolicy | PoolSizePolicy;

/** Every kind of policy this agent can carry out. */
export const policyKinds: readonly PolicyKind<Policy>[] = [batchStatements, poolSize];
