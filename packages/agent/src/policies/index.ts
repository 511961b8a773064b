import type { PolicyKind } from './policy.ts';
import { poolSize, type PoolSizePolicy } from './pool-size.ts';

export type Policy = PoolSizePolicy;

/** Every kind of policy this agent can carry out. */
export const policyKinds: readonly PolicyKind<Policy>[] = [poolSize];
