import { isDeepStrictEqual } from 'node:util';
import type { ActContext, Json, Presence, Remedy } from './remedy.ts';

export interface ConformanceCase<Plan extends Json> {
  readonly remedy: Remedy<Plan>;
  readonly plan: Plan;
  readonly context: ActContext;
  /** A snapshot of all of the target that the remedy may change, such as a listing of its catalogue; compared for equality. */
  readonly observe: () => Promise<unknown>;
}

/**
 * The law for every remedy, driven on a real target: absent, applied, reverted, applied twice, reverted
 * twice; the target after each revert exactly what it was before. Resolves when the remedy holds it; throws an error that says which step broke.
 *
 * Belongs to no test framework: call it inside a test of yours.
 */
export async function remedyConformance<Plan extends Json>(subject: ConformanceCase<Plan>): Promise<void> {
  const { remedy, context, observe } = subject;
  // Recovery reads the plan from a file, so that is the plan that has to work.
  const plan = JSON.parse(JSON.stringify(subject.plan)) as Plan;
  const demand = (holds: boolean, problem: string) => {
    if (!holds) throw new Error(`${remedy.id} does not conform: ${problem}`);
  };
  const stands = async (expected: Presence, after: string) => {
    const presence = await remedy.inspect(plan, context);
    demand(presence === expected, `${after}, inspect says ${presence} instead of ${expected}`);
  };
  const unchanged = async (before: unknown, after: string) => {
    const now = await observe();
    demand(isDeepStrictEqual(now, before), `${after}, the target is not what it was:\n${difference(before, now)}`);
  };

  demand(isDeepStrictEqual(plan, subject.plan), 'its plan changes when it is written as JSON and read again');
  demand(remedy.describe(plan).title !== '', 'it has no description');
  const original = await observe();
  await stands('absent', 'before anything was done');

  await remedy.revert(plan, context);
  await unchanged(original, 'after reverting what was never applied');

  await remedy.apply(plan, context);
  await stands('present', 'after apply');
  const applied = await observe();
  demand(!isDeepStrictEqual(applied, original), 'observe() does not see the change, so it cannot prove the undo');
  const cost = Object.entries(await remedy.cost(plan, context));
  demand(
    cost.every(([, amount]) => Number.isFinite(amount) && amount >= 0),
    `its cost is no amount: ${JSON.stringify(cost)}`,
  );

  await remedy.revert(plan, context);
  await stands('absent', 'after revert');
  await unchanged(original, 'after revert');

  await remedy.apply(plan, context);
  await remedy.apply(plan, context);
  await stands('present', 'after applying twice');
  await remedy.revert(plan, context);
  await remedy.revert(plan, context);
  await stands('absent', 'after reverting twice');
  await unchanged(original, 'after reverting twice');
}

function difference(before: unknown, now: unknown): string {
  return `  before: ${JSON.stringify(before)}\n  now:    ${JSON.stringify(now)}`;
}
