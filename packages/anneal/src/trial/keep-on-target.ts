import { AnnealError } from '../errors.ts';
import type { ActContext } from '../remedy/remedy.ts';
import type { TrialContext } from './arms.ts';
import { assertOurs, sessionName } from './database-copies.ts';
import { undoUnderIntent, underIntent } from './intent.ts';
import type { PlannedChange } from './planned-change.ts';

/**
 * Puts what was proven into the target's own database, one change at a time. A change that fails halfway
 * is taken back at once; those before it stay. Policies end with the process they were tried in, so
 * they are not here: `hold.ts` puts them in force where the backend is used.
 *
 * Throws ANNEAL_DATABASE_NOT_OURS before anything is touched, and ANNEAL_APPLY_FAILED.
 */
export async function keepOnTarget(context: TrialContext, changes: readonly PlannedChange[]): Promise<void> {
  const { database } = context.target;
  const lasting = changes.filter((change) => change.scope === 'database');
  if (database === null || lasting.length === 0) return;
  assertOurs(database);
  await using sql = await context.outside.databases.connect(database.url, { applicationName: sessionName(context.run), readOnly: false });
  await using watching = await context.outside.databases.connect(database.url, {
    applicationName: sessionName(context.run),
    readOnly: true,
  });
  const act: ActContext = { sql, watching, agent: null, signal: context.signal, report: (detail) => context.progress.update(null, detail) };
  for (const change of lasting) {
    context.progress.update(null, change.description.title);
    const record = { trialId: change.id, remedyId: change.remedy.id, plan: change.plan };
    try {
      await underIntent(context, { kind: 'apply', where: 'target', ...record }, () => change.remedy.apply(change.plan, act));
    } catch (error) {
      // Without the signal: an interruption must not prevent the undo it asks for.
      await undoUnderIntent(context, { kind: 'revert', where: 'target', ...record }, () =>
        change.remedy.revert(change.plan, { sql, agent: null }),
      );
      await context.ledger.append(context.run, {
        type: 'rolled-back',
        trialId: change.id,
        reason: 'it could not be applied to the target',
      });
      if (error instanceof AnnealError) throw error;
      throw new AnnealError(
        'ANNEAL_APPLY_FAILED',
        { remedy: change.description.title, problem: error instanceof Error ? error.message : String(error) },
        { cause: error },
      );
    }
    await context.ledger.append(context.run, { type: 'kept', ...record, description: change.description });
  }
}
