import type { BatchForm } from '../statements/batched-text.ts';
import { Batcher } from './batching/batcher.ts';
import { BatchedStatement } from './batching/batched-statement.ts';
import type { PolicyKind } from './policy.ts';

/**
 * One SELECT that requests repeat with other parameters, and what Anneal has worked out about it: that it may be batched,
 * and that its batch answered as its calls did. Holds no text, so that it may be written down.
 */
export interface BatchStatementsPolicy extends BatchForm {
  readonly kind: 'batch-statements';
  /** `textHash` of the one text that is batched. */
  readonly textHash: string;
  /** Its ORDER BY leaves no choice of order. */
  readonly isOrdered: boolean;
  /** `templateHash` of the statement whose rows hold its parameters; null where none was seen, then calls are batched side by side only. */
  readonly parent: string | null;
  /** How old an answer fetched ahead may be when it is asked for: by so much earlier than without the policy a loop may have read. */
  readonly oldestMs: number;
  /** `templateHash`es of the application's statements that are certain to change nothing. Any other drops what was fetched ahead. */
  readonly readOnly: readonly string[];
}

export const batchStatements: PolicyKind<BatchStatementsPolicy> = {
  kind: 'batch-statements',
  actsOn: 'requests',

  start(policy, context, others, control) {
    if (context.drivers.pgPools.size === 0 || context.drivers.pgClients.size === 0) return 'node-postgres is not loaded';
    // The fence has to see every write of the process.
    const unseen = [...context.observer.hooks].find((library) => library.startsWith('postgres '));
    if (unseen !== undefined) return `${unseen} is loaded too, and what it writes would not be noticed`;
    const twin = others.find(({ policy: other }) => other.textHash === policy.textHash);
    if (twin !== undefined) return `the statement is batched already, by ${twin.id}`;
    const batcher = Batcher.of(context);
    const statement = new BatchedStatement(policy, control);
    batcher.add(statement);
    return {
      switch: (on) => {
        if (on) statement.forgive();
        else batcher.letGo();
      },
      stop: () => batcher.remove(statement),
      take: () => statement.take(),
    };
  },
};
