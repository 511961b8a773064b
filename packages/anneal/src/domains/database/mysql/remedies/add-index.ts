import { AnnealError } from '../../../../errors.ts';
import { quoteName, type Mysql, type MysqlProduct } from '../../../../ports/mysql.ts';
import { chosenBy, type Refused } from '../../../../remedy/choice.ts';
import { defineRemedy, type Presence, type Remedy } from '../../../../remedy/remedy.ts';
import type { Finding } from '../../../../finding/finding.ts';
import type { Measurement } from '../../../../measurement/measurement.ts';
import type { Capability, Observations } from '../../../../measurement/observations.ts';
import { addIndexSql, dropIndexSql, indexNameFor, switchSql, switchWords } from '../index-sql.ts';
import { accessNeeds, judgeAccess, type AccessObservations } from '../scanned-step.ts';
import { act } from './mysql-failure.ts';
import { connectionOf, findIndex, type IndexPlace } from './own-index.ts';
import { touchedBy } from './touched.ts';

export type AddIndexPlan = IndexPlace & {
  readonly columns: readonly string[];
  readonly product: MysqlProduct;
  readonly statementId: string;
};

/** By this comment an index is known as Anneal's: one without it is never dropped, whatever its name. */
const mark = 'anneal';

/**
 * The index is built hidden, in place, while the application reads and writes; then one change of the catalogue switches it on.
 * Undone, it is switched off first: from then on no plan can hold it, and the drop waits for nobody's plan.
 */
export const addIndex: Remedy = defineRemedy<AddIndexPlan>({
  id: 'mysql/add-index',
  title: 'Add an index',
  addresses: ['mysql/missing-index', 'mysql/late-sort'],
  scope: 'database',
  risk: 'low',
  effort: 'none',
  contract: 'transparent',
  ...chosenBy((finding, { measurement }) => choose(finding, measurement)),
  predict: async (_plan, { impact, proposal }) => ({
    metric: 'database.time',
    // Where the server does not count how many rows the condition keeps, anything from nothing to all is as likely.
    change: proposal.expected ?? { point: -impact.share / 2, lower: -impact.share, upper: 0, confidenceLevel: 0.95 },
    model: 'plan-cost',
    assumptions: [
      'a row found through the index costs as much as 11 read in a row (the cost model’s constants, at the worst)',
      'a statement’s time is spent in proportion to the rows it examines',
      'the cost of keeping the index up with every write is not in it',
    ],
  }),
  async inspect(plan, context): Promise<Presence> {
    const found = await findOwn(plan, connectionOf(context, plan));
    if (found === null) return 'absent';
    return found.isIgnored ? 'partial' : 'present';
  },
  async apply(plan, context) {
    const mysql = connectionOf(context, plan);
    const { off, on } = switchWords(plan.product);
    const { table, name, columns } = plan;
    const step = (statement: string) => act(mysql, statement, actOf(plan, 'create', context.signal));
    const found = await findIndex(mysql, plan);
    if (found !== null && found.comment !== mark) {
      throw new AnnealError('ANNEAL_APPLY_FAILED', { remedy: 'mysql/add-index', problem: `${table} has another index called ${name}` });
    }
    if (found === null) await step(addIndexSql(table, name, columns, [`COMMENT '${mark}'`, off]));
    if (found === null || found.isIgnored) await step(switchSql(table, name, on));
  },
  async revert(plan, context) {
    const mysql = connectionOf(context, plan);
    const found = await findOwn(plan, mysql);
    if (found === null) return;
    const step = (statement: string) => act(mysql, statement, actOf(plan, 'drop', context.signal));
    if (!found.isIgnored) await step(switchSql(plan.table, plan.name, switchWords(plan.product).off));
    await step(dropIndexSql(plan.table, plan.name));
  },
  cost: async (plan, context) => measureCost(plan, connectionOf(context, plan)),
  touches: (plan, measurement) => touchedBy(plan, measurement),
  describe({ table, name, columns }) {
    return {
      title: `Index ${table} (${columns.join(', ')})`,
      sql: { up: `${addIndexSql(table, name, columns)};`, down: `${dropIndexSql(table, name)};` },
      lasting: null,
    };
  },
});

function actOf({ table, name }: AddIndexPlan, verb: string, signal: AbortSignal | undefined) {
  const action = `${verb} the index ${name} on ${table}`;
  return { remedy: 'mysql/add-index', action, ...(signal === undefined ? {} : { signal }) };
}

function choose({ subject }: Finding, measurement: Measurement): AddIndexPlan | Refused {
  const { observations } = measurement;
  const missing = accessNeeds.find((capability: Capability) => observations[capability] === undefined);
  if (missing !== undefined) return { refused: `${missing} was not read` };
  if (subject.kind !== 'statement') return { refused: 'it is not about a statement' };
  const seen = observations as Observations;
  const statement = seen['mysql.statements'].find(({ id }) => id === subject.statementId);
  if (statement === undefined) return { refused: 'the statement was not seen' };
  const judged = judgeAccess(statement, seen satisfies AccessObservations);
  if ('fine' in judged) return { refused: judged.fine };
  if ('none' in judged.candidate) return { refused: judged.candidate.none };
  const { columns } = judged.candidate;
  const table = judged.table.name;
  const taken = seen['mysql.indexes'].filter((index) => index.table === table).map(({ name }) => name);
  const { product, database } = seen['mysql.server'];
  return { database, table, name: indexNameFor(columns, taken), columns, product, statementId: statement.id };
}

async function findOwn(plan: AddIndexPlan, mysql: Mysql) {
  const found = await findIndex(mysql, plan);
  return found?.comment === mark ? found : null;
}

/**
 * Size from InnoDB's statistics, time from the statement that built it; both are 0 where the role may not read them or the
 * server does not count.
 */
async function measureCost({ table, name, columns, product }: AddIndexPlan, mysql: Mysql) {
  const [size] = await mysql
    .query<{ bytes: number }>(
      `SELECT stat_value * @@global.innodb_page_size AS bytes FROM mysql.innodb_index_stats
        WHERE database_name = ? AND table_name = ? AND index_name = ? AND stat_name = 'size'`,
      [mysql.database, table, name],
    )
    .catch(() => []);
  const digest = `ALTER TABLE ${quoteName(table)} ADD INDEX ${quoteName(name)} ( ${columns.map(quoteName).join(' , ')} ) COMMENT ? ${switchWords(product).off}`;
  const [build] = await mysql
    .query<{ buildMs: number }>(
      `SELECT MAX(MAX_TIMER_WAIT) / 1e9 AS buildMs FROM performance_schema.events_statements_summary_by_digest
        WHERE SCHEMA_NAME = ? AND LEFT(DIGEST_TEXT, CHAR_LENGTH(?)) = ?`,
      [mysql.database, digest, digest],
    )
    .catch(() => []);
  return { diskBytes: size?.bytes ?? 0, buildMs: build?.buildMs ?? 0, memoryBytes: 0, connections: 0 };
}
