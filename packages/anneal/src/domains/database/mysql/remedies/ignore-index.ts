import { AnnealError } from '../../../../errors.ts';
import type { Finding } from '../../../../finding/finding.ts';
import type { Measurement } from '../../../../measurement/measurement.ts';
import { quoteName, type MysqlProduct } from '../../../../ports/mysql.ts';
import { chosenBy, type Refused } from '../../../../remedy/choice.ts';
import { defineRemedy, type Presence, type Remedy } from '../../../../remedy/remedy.ts';
import { dropIndexSql, recreateSql, switchSql, switchWords } from '../index-sql.ts';
import { indexObject } from '../rules/index-facts.ts';
import { act } from './mysql-failure.ts';
import { connectionOf, findIndex, type IndexPlace } from './own-index.ts';
import { touchedBy } from './touched.ts';

export type IgnoreIndexPlan = IndexPlace & {
  readonly product: MysqlProduct;
  /** Brings the index back once somebody has dropped it; null for what cannot be told exactly. */
  readonly recreate: string | null;
};

/**
 * An index is dropped in two steps, and this is the first: hidden from the optimizer (INVISIBLE, IGNORED) and still kept up, so that
 * its undo is one change of the catalogue and not a build. The drop is left to a person, when nothing has missed it.
 */
export const ignoreIndex: Remedy = defineRemedy<IgnoreIndexPlan>({
  id: 'mysql/ignore-index',
  title: 'Hide an index from the optimizer',
  addresses: ['mysql/unused-index', 'mysql/duplicate-index', 'mysql/redundant-index'],
  scope: 'database',
  risk: 'low',
  effort: 'none',
  contract: 'transparent',
  ...chosenBy((finding, { measurement }) => choose(finding, measurement)),
  async predict(plan, _finding, { measurement }) {
    const touched = new Set(touchedBy(plan, measurement).statementIds);
    const share = (measurement.observations['mysql.statements'] ?? [])
      .filter(({ id }) => touched.has(id))
      .reduce((sum, { timeShare }) => sum + timeShare, 0);
    return {
      metric: 'database.time',
      change: { point: 0, lower: 0, upper: share, confidenceLevel: 0.95 },
      model: 'plan-cost',
      assumptions: [
        'hidden, the index is still kept up: what writes gain comes with the drop',
        'another index, or none, serves each statement as well; at the worst those on its table take twice as long',
      ],
    };
  },
  async inspect(plan, context): Promise<Presence> {
    const found = await findIndex(connectionOf(context, plan), plan);
    return found?.isIgnored === true ? 'present' : 'absent';
  },
  async apply(plan, context) {
    const mysql = connectionOf(context, plan);
    const found = await findIndex(mysql, plan);
    if (found === null) {
      throw new AnnealError('ANNEAL_APPLY_FAILED', {
        remedy: 'mysql/ignore-index',
        problem: `${plan.table} has no index ${plan.name} any more`,
      });
    }
    const { off } = switchWords(plan.product);
    if (!found.isIgnored) await act(mysql, switchSql(plan.table, plan.name, off), actOf(plan, 'hide', context.signal));
  },
  async revert(plan, context) {
    const mysql = connectionOf(context, plan);
    const found = await findIndex(mysql, plan);
    const { on } = switchWords(plan.product);
    if (found?.isIgnored === true) await act(mysql, switchSql(plan.table, plan.name, on), actOf(plan, 'show', context.signal));
  },
  cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: 0 }),
  touches: (plan, measurement) => touchedBy(plan, measurement),
  describe({ table, name, product, recreate }) {
    const { off, on } = switchWords(product);
    return {
      title: `Hide ${table}.${name} from the optimizer`,
      sql: { up: `${switchSql(table, name, off)};`, down: `${switchSql(table, name, on)};` },
      lasting: `${dropIndexSql(table, name)};${recreate === null ? '' : `\n-- Brings it back:\n-- ${recreate};`}`,
    };
  },
});

function actOf({ table, name }: IgnoreIndexPlan, verb: string, signal: AbortSignal | undefined) {
  return { remedy: 'mysql/ignore-index', action: `${verb} the index ${name} of ${table}`, ...(signal === undefined ? {} : { signal }) };
}

function choose({ subject }: Finding, { observations }: Measurement): IgnoreIndexPlan | Refused {
  const { 'mysql.server': server, 'mysql.indexes': indexes, 'mysql.statements': statements = [] } = observations;
  const index = indexes?.find((candidate) => subject.kind === 'object' && indexObject(candidate).name === subject.name);
  if (server === undefined || index === undefined) return { refused: 'the index was not seen' };
  if (index.isPrimary) return { refused: 'a primary key cannot be hidden' };
  // What was hidden before must stay hidden after the undo.
  if (index.isIgnored) return { refused: 'it is hidden already' };
  const hint = statements.find(({ text }) => namesInHint(text, index.name));
  if (hint !== undefined) return { refused: `a statement names it in a hint and would fail: ${hint.text}` };
  return { database: server.database, table: index.table, name: index.name, product: server.product, recreate: recreateSql(index) };
}

/** `FORCE INDEX ( `name` )`: error 1176 once the index is hidden. */
function namesInHint(text: string, name: string): boolean {
  return [...text.matchAll(/\b(?:FORCE|USE|IGNORE) (?:INDEX|KEY)[^(]*\(([^)]*)\)/g)].some(([, names]) =>
    names!.toLowerCase().includes(quoteName(name).toLowerCase()),
  );
}
