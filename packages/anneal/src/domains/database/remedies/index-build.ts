import { AnnealError } from '../../../errors.ts';
import { indexSql, qualifiedName, quoteLiteral } from '../../../ports/index-sql.ts';
import type { Sql } from '../../../ports/sql.ts';
import type { ActContext, Presence } from '../../../remedy/remedy.ts';
import { isColumn, parseIndexKey } from '../index-ddl.ts';
import type { AddIndexPlan } from './add-index-plan.ts';
import { whileReporting } from './build-progress.ts';
import { explainFailure, type Act } from './database-failure.ts';
import { type CatalogueIndex, isSameIndex, readIndexes } from './index-catalogue.ts';
import { withSettings } from './session-settings.ts';
import { creationSchema, installTrigrams, removeTrigrams, trigramState } from './trigram-extension.ts';

const remedy = 'database/add-index';

export interface BuildSettings {
  /**
   * How long a step may wait for locks. A concurrent build waits for every transaction older than itself,
   * and being cut off leaves an INVALID index, so this is long; and while it waits it holds up neither reads nor
   * writes (SHARE UPDATE EXCLUSIVE, manual, "Explicit Locking").
   */
  readonly lockTimeoutMs: number;
}

/** `present`: valid and as planned. `partial`: an INVALID corpse of a build that ended early, or our extension without its index. */
export async function inspectIndex(plan: AddIndexPlan, sql: Sql): Promise<Presence> {
  const found = await findOwn(plan, sql);
  if (found !== null) return found.valid && !found.unique ? 'present' : 'partial';
  if (plan.extension === null || plan.extensionWasPresent) return 'absent';
  const { installedByAnneal, inUse } = await trigramState(sql);
  return installedByAnneal && !inUse ? 'partial' : 'absent';
}

/** Builds the index unless it is there. A corpse of the same name is removed first: IF NOT EXISTS would take it for the index. */
export async function buildIndex(plan: AddIndexPlan, context: ActContext, settings: BuildSettings): Promise<void> {
  const sql = connectionOf(context);
  const act = actOf(plan, `create an index on ${tableOf(plan)}`, context, settings);
  await patiently(sql, act, async () => {
    const found = await findOwn(plan, sql);
    if (found?.valid === true && !found.unique) return;
    const refusal = await tableRefusal(sql, plan.index.schema, plan.index.table);
    if (refusal !== null) throw new AnnealError('ANNEAL_REMEDY_UNSUPPORTED', { remedy, ...refusal });
    if (found !== null) await dropIndex(plan, found, context, act);
    const installed = await provideExtension(plan, context, settings);
    try {
      await create(plan, sql, context);
    } catch (error) {
      throw await undoneFailure(plan, await explainFailure(error, sql, act), async () => {
        const corpse = await findOwn(plan, sql);
        if (corpse !== null) await dropIndex(plan, corpse, context, act);
        if (installed) await removeUnusedExtension(sql);
      });
    }
  });
}

/** Removes the index if it is the planned one or its corpse, and the extension if a remedy installed it and nothing needs it. */
export async function removeIndex(plan: AddIndexPlan, context: ActContext, settings: BuildSettings): Promise<void> {
  const sql = connectionOf(context);
  const act = actOf(plan, `drop the index ${plan.name}`, context, settings);
  await patiently(sql, act, async () => {
    const found = await findOwn(plan, sql);
    if (found !== null) await dropIndex(plan, found, context, act);
    if (plan.extension !== null && !plan.extensionWasPresent) await removeUnusedExtension(sql);
  });
}

/** What `create` wrote on the index: how long the build took, known to whoever asks later. Null when it has no such note. */
export function builtInMs(comment: string | null): number | null {
  const seconds = /^Added by Anneal\. Built in (\d+) ms\.$/u.exec(comment ?? '')?.[1];
  return seconds === undefined ? null : Number(seconds);
}

export async function findOwn(plan: AddIndexPlan, sql: Sql): Promise<CatalogueIndex | null> {
  const [named] = await readIndexes(sql, plan.index.schema, { name: plan.name });
  return named !== undefined && (await isSameIndex(sql, named, plan.index)) ? named : null;
}

export function connectionOf(context: ActContext): Sql {
  if (context.sql !== null) return context.sql;
  throw new AnnealError('ANNEAL_APPLY_FAILED', { remedy, problem: 'the target has no database' });
}

export function tableOf(plan: AddIndexPlan): string {
  return qualifiedName(plan.index.schema, plan.index.table);
}

function actOf(plan: AddIndexPlan, action: string, context: ActContext, settings: BuildSettings): Act {
  return {
    remedy,
    action,
    table: { schema: plan.index.schema, name: plan.index.table },
    privilegeHint: 'only the owner of a table may index it: connect as the owner, or as a member of its role',
    waitMs: settings.lockTimeoutMs,
    ...(context.signal === undefined ? {} : { signal: context.signal }),
  };
}

/** Locks may be waited for, but not for ever; the build itself may take as long as it needs. */
async function patiently(sql: Sql, act: Act, work: () => Promise<void>): Promise<void> {
  try {
    await withSettings(sql, { lock_timeout: `${act.waitMs}ms`, statement_timeout: '0' }, work);
  } catch (error) {
    throw await explainFailure(error, sql, act);
  }
}

/** Why no index can be built concurrently on the relation, or null when one can. */
export async function tableRefusal(
  sql: Sql,
  schema: string,
  table: string,
): Promise<{ readonly problem: string; readonly instead: string } | null> {
  const { rows } = await sql.query<{ kind: string; system: boolean }>(
    `SELECT c.relkind AS kind, n.nspname IN ('pg_catalog', 'information_schema', 'pg_toast') AS system
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [schema, table],
  );
  const name = qualifiedName(schema, table);
  const [relation] = rows;
  if (relation === undefined) return { problem: `${name} does not exist`, instead: 'measure again: the schema has changed' };
  if (relation.system) return { problem: `${name} belongs to PostgreSQL`, instead: 'system tables are never changed' };
  if (relation.kind === 'p') {
    return {
      problem: `${name} is partitioned, and PostgreSQL builds no index CONCURRENTLY on a partitioned table`,
      instead: `CREATE INDEX ON ONLY ${name}, then one CONCURRENTLY per partition, then ALTER INDEX ... ATTACH PARTITION each`,
    };
  }
  if (relation.kind === 'r' || relation.kind === 'm') return null;
  return { problem: `${name} is not a table`, instead: 'index the tables it reads' };
}

async function provideExtension(plan: AddIndexPlan, context: ActContext, settings: BuildSettings): Promise<boolean> {
  const sql = connectionOf(context);
  if (plan.extension === null || (await trigramState(sql)).schema !== null) return false;
  context.report?.(`installing ${plan.extension}`);
  try {
    await installTrigrams(sql, (await creationSchema(sql)) ?? plan.index.schema);
  } catch (error) {
    throw await explainFailure(error, sql, {
      ...actOf(plan, `install the extension ${plan.extension}`, context, settings),
      privilegeHint: `ask the owner of the database for CREATE EXTENSION ${plan.extension}`,
    });
  }
  return true;
}

async function create(plan: AddIndexPlan, sql: Sql, context: ActContext): Promise<void> {
  const options = context.signal === undefined ? {} : { signal: context.signal };
  context.report?.(`building ${plan.name}`);
  const startedMs = performance.now();
  await whileReporting(sql, context.watching, context.report, () =>
    sql.query(indexSql(plan.index, { name: plan.name, concurrently: true }), [], options),
  );
  const builtMs = Math.ceil(performance.now() - startedMs);
  const index = qualifiedName(plan.index.schema, plan.name);
  await sql.query(`COMMENT ON INDEX ${index} IS ${quoteLiteral(`Added by Anneal. Built in ${builtMs} ms.`)}`, [], options);
  if (needsStatistics(plan)) await sql.query(`ANALYZE ${tableOf(plan)}`, [], options);
}

/** The planner knows the values of columns, but those of an expression only from an index on it, and only after ANALYZE. */
export function needsStatistics(plan: AddIndexPlan): boolean {
  return plan.index.keys.some((key) => !isColumn(parseIndexKey(key).expression));
}

/** CONCURRENTLY in this direction too: a plain DROP INDEX would queue every query of the table behind itself. */
async function dropIndex(plan: AddIndexPlan, found: CatalogueIndex, context: ActContext, act: Act): Promise<void> {
  if (found.buildingPid !== null) {
    const holders = `session ${found.buildingPid}, which is building ${plan.name} at this moment`;
    throw new AnnealError('ANNEAL_DATABASE_LOCKED', { action: act.action, waitMs: 0, holders });
  }
  context.report?.(`dropping ${plan.name}`);
  await connectionOf(context).query(`DROP INDEX CONCURRENTLY IF EXISTS ${qualifiedName(plan.index.schema, plan.name)}`);
}

async function removeUnusedExtension(sql: Sql): Promise<void> {
  const { installedByAnneal, inUse } = await trigramState(sql);
  if (installedByAnneal && !inUse) await removeTrigrams(sql);
}

/** A failed build takes its corpse with it. Where even that fails, both failures are told, and what remains. */
async function undoneFailure(plan: AddIndexPlan, failure: unknown, undo: () => Promise<void>): Promise<unknown> {
  try {
    await undo();
    return failure;
  } catch (undoFailure) {
    const problem = failure instanceof Error ? failure.message : String(failure);
    const remains = `the INVALID index ${qualifiedName(plan.index.schema, plan.name)}, which no query uses`;
    return new AnnealError('ANNEAL_ROLLBACK_INCOMPLETE', { problem, remains }, { cause: new AggregateError([failure, undoFailure]) });
  }
}
