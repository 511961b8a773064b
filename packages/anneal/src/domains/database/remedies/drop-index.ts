import type { Finding } from '../../../finding/finding.ts';
import type { IndexObservation } from '../../../measurement/observations.ts';
import type { Measurement } from '../../../measurement/measurement.ts';
import { qualifiedName, quoteIdentifier, quoteLiteral } from '../../../ports/index-sql.ts';
import type { Sql } from '../../../ports/sql.ts';
import { chosenBy, type Refused } from '../../../remedy/choice.ts';
import { defineRemedy, type PlanningContext, type Presence, type Remedy } from '../../../remedy/remedy.ts';
import { writeBill } from '../index-economy.ts';
import { actOnCatalogue, databaseOf } from './catalogue-act.ts';
import { touchedStatements } from './touched-statements.ts';

const id = 'database/drop-index';

/** The bill was within a quarter of what PostgreSQL logged for eleven kinds of index; page images of the table blur it as much again. */
const spread = 2;

export type DropIndexPlan = {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  /** CREATE INDEX as the server prints it: what brings the very same index back. */
  readonly definition: string;
  /** Null for the database's own; pg_get_indexdef leaves it out. */
  readonly tablespace: string | null;
  readonly comment: string | null;
};

/**
 * Takes away an index that nothing reads or that another one stands in for. Never one that enforces, replicates or orders
 * something; and only where the traffic writes to its table, because what nothing pays for cannot be proven to be saved.
 */
export const dropIndex: Remedy = defineRemedy<DropIndexPlan>({
  id,
  title: 'Drop an index',
  addresses: ['database/unused-index', 'database/duplicate-index', 'database/redundant-index'],
  scope: 'database',
  risk: 'medium',
  effort: 'none',
  contract: 'transparent',
  ...chosenBy(choose),
  async predict(plan, _finding, { measurement }) {
    const { savedBytes, writtenBytes } = savings(plan, measurement);
    // Modelled and counted: an index cannot cost more than all that was written.
    const point = -Math.min(savedBytes / writtenBytes, 1);
    return {
      // What an index costs is what it makes the writes log: that is steady, where their time is noise.
      metric: `wal.bytes:${keyOf(plan)}`,
      change: { point, lower: Math.max(point * spread, -1), upper: point / spread, confidenceLevel: 0.95 },
      model: 'plan-cost',
      assumptions: [
        'the log of the writes shrinks by the entries they made in the index',
        'whole pages that are logged after a checkpoint come on top, on both sides',
        'no statement of the traffic needs the index; one that does will show it',
      ],
    };
  },
  inspect: (plan, context) => inspect(plan, databaseOf(context, id)),
  async apply(plan, context) {
    await actOnCatalogue(context, act(plan, `drop the index ${plan.name}`), async (sql) => {
      if ((await inspect(plan, sql)) === 'present') return;
      context.report?.(`dropping ${plan.name}`);
      await sql.query(`DROP INDEX CONCURRENTLY IF EXISTS ${nameOf(plan)}`);
    });
  },
  async revert(plan, context) {
    await actOnCatalogue(context, act(plan, `create the index ${plan.name} again`), async (sql) => {
      const presence = await inspect(plan, sql);
      if (presence === 'absent') return;
      // A corpse of the name would be taken for the index.
      if (presence === 'partial') await sql.query(`DROP INDEX CONCURRENTLY IF EXISTS ${nameOf(plan)}`);
      context.report?.(`building ${plan.name} again`);
      await sql.query(createSql(plan), [], context.signal === undefined ? {} : { signal: context.signal });
      if (plan.comment !== null) await sql.query(`COMMENT ON INDEX ${nameOf(plan)} IS ${quoteLiteral(plan.comment)}`);
    });
  },
  cost: async () => ({ diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: 0 }),
  touches(plan, measurement) {
    const touched = statementsOf(plan, measurement);
    return {
      statementIds: touched.map((statement) => statement.id),
      routes: [...new Set(touched.flatMap(({ routes }) => routes))],
      writtenTables: [`${plan.schema}.${plan.table}`],
    };
  },
  describe: (plan) => ({
    title: `Drop the index ${plan.name} of ${plan.table}`,
    sql: {
      up: `DROP INDEX CONCURRENTLY IF EXISTS ${nameOf(plan)};`,
      down: [
        `${createSql(plan)};`,
        ...(plan.comment === null ? [] : [`COMMENT ON INDEX ${nameOf(plan)} IS ${quoteLiteral(plan.comment)};`]),
      ].join('\n'),
    },
    lasting: null,
  }),
});

function nameOf({ schema, name }: DropIndexPlan): string {
  return qualifiedName(schema, name);
}

function keyOf({ schema, name }: DropIndexPlan): string {
  return `without ${qualifiedName(schema, name)}`;
}

function act(plan: DropIndexPlan, action: string) {
  return {
    remedy: id,
    action,
    table: { schema: plan.schema, name: plan.table },
    privilegeHint: 'only the owner of a table may drop its indexes: connect as the owner, or as a member of its role',
  };
}

function createSql({ definition, tablespace }: DropIndexPlan): string {
  const concurrently = definition.replace(/^CREATE INDEX /u, 'CREATE INDEX CONCURRENTLY ');
  if (tablespace === null) return concurrently;
  // TABLESPACE stands between the storage parameters and WHERE; only a partial index has the latter, and only there at the end.
  const where = partialClause(definition);
  return `${concurrently.slice(0, concurrently.length - where.length)} TABLESPACE ${quoteIdentifier(tablespace)}${where}`;
}

/** pg_get_indexdef puts the predicate into parentheses behind the last ` WHERE `. */
function partialClause(definition: string): string {
  return / WHERE \(.*\)$/su.exec(definition)?.[0] ?? '';
}

interface Found extends DropIndexPlan {
  readonly valid: boolean;
  readonly reason: string | null;
}

/** `name` as SQL writes it, `schema.index`. */
async function find(sql: Sql, name: string): Promise<Found | null> {
  const { rows } = await sql.query<Found>(
    `SELECT n.nspname::text AS schema, t.relname::text AS "table", c.relname::text AS name, pg_get_indexdef(c.oid) AS definition,
            s.spcname::text AS tablespace, obj_description(c.oid, 'pg_class') AS comment, i.indisvalid AND i.indisready AS valid,
            CASE WHEN EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid) THEN 'a constraint rests on it'
                 WHEN i.indisprimary OR i.indisunique THEN 'it keeps values unique'
                 WHEN i.indisexclusion THEN 'it keeps values apart'
                 WHEN i.indisreplident THEN 'replication tells rows by it'
                 WHEN i.indisclustered THEN 'CLUSTER orders the table by it'
                 WHEN c.relispartition OR c.relkind = 'I' THEN 'it belongs to a partitioned index, which cannot be dropped concurrently'
                 WHEN EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
                   THEN 'an extension owns it'
                 WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) >= 0)
                   THEN 'it has statistics targets of its own'
            END AS reason
       FROM pg_index i
       JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_class t ON t.oid = i.indrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
      WHERE c.oid = to_regclass($1)`,
    [name],
  );
  return rows[0] ?? null;
}

async function inspect(plan: DropIndexPlan, sql: Sql): Promise<Presence> {
  const found = await find(sql, nameOf(plan));
  if (found === null) return 'present';
  return found.valid && found.definition === plan.definition ? 'absent' : 'partial';
}

async function choose({ subject }: Finding, { sql, measurement }: PlanningContext): Promise<DropIndexPlan | Refused> {
  if (sql === null || subject.kind !== 'object' || subject.type !== 'index') return { refused: 'the finding names no index' };
  const found = await find(sql, subject.name);
  if (found === null) return { refused: `${subject.name} does not exist: the schema has changed` };
  const { valid, reason, ...plan } = found;
  if (reason !== null) return { refused: `${subject.name} stays: ${reason}` };
  if (!valid) return { refused: `${subject.name} is invalid, so nothing reads it and a trial could not tell its absence` };
  const { savedBytes, writtenBytes } = savings(plan, measurement);
  const table = qualifiedName(plan.schema, plan.table);
  if (savedBytes === 0) return { refused: `this traffic writes nothing to ${table}, so a trial could not prove the saving` };
  if (writtenBytes === 0)
    return {
      refused: `the server does not count what the writes to ${table} log (PostgreSQL 13 does), so a trial could not prove the saving`,
    };
  return plan;
}

/** What keeping the index up adds to the write-ahead log of the window, and what all the statements log that a trial would watch. */
function savings(plan: DropIndexPlan, measurement: Measurement): { readonly savedBytes: number; readonly writtenBytes: number } {
  const { observations } = measurement;
  const index = observedIndex(plan, measurement);
  const table = observations['postgres.tables']?.find(({ schema, name }) => schema === plan.schema && name === plan.table);
  const writtenBytes = statementsOf(plan, measurement).reduce((sum, { walBytes }) => sum + walBytes, 0);
  if (index === undefined || table === undefined) return { savedBytes: 0, writtenBytes };
  const others = (observations['postgres.indexes'] ?? []).filter((other) => other !== index);
  const { walBytes } = writeBill(
    index.definition,
    observations['postgres.statements'] ?? [],
    table,
    others,
    observations['postgres.columns'] ?? [],
  );
  return { savedBytes: walBytes, writtenBytes };
}

function observedIndex({ schema, name }: DropIndexPlan, { observations }: Measurement): IndexObservation | undefined {
  return observations['postgres.indexes']?.find((index) => index.definition.schema === schema && index.name === name);
}

/** Those that write the table, and those whose plan might miss the index. */
function statementsOf(plan: DropIndexPlan, measurement: Measurement) {
  const index = observedIndex(plan, measurement);
  if (index === undefined) return [];
  const { readers, writers } = touchedStatements(index.definition, measurement);
  return [...new Set([...readers, ...writers])];
}
