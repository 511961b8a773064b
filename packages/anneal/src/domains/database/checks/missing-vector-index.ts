import { milliseconds, percent, quantity } from '../../../finding/wording.ts';
import type { StatementHistoryObservation, VectorColumnObservation } from '../../../measurement/database-health.ts';
import { qualifiedName, quoteIdentifier } from '../../../ports/index-sql.ts';
import { counted, defineCheck, measured, nameFor, table, tableKey, type Complaint } from './check.ts';

/** A search in an HNSW graph of a million vectors takes about a millisecond: from ten on the exact one is the slower by far. */
const slowMs = 10;

/** pgvector's distance operators with the operator class each needs. */
const operatorClasses: Readonly<Record<string, string>> = { '<->': 'l2_ops', '<#>': 'ip_ops', '<=>': 'cosine_ops', '<+>': 'l1_ops' };

export const missingVectorIndex = defineCheck({
  id: 'database/missing-vector-index',
  title: 'Nearest neighbours without an index',
  documentation: {
    what: 'Statements order by a distance between vectors, and the column has no index of pgvector.',
    why: 'Every vector of the table is read and compared for each search, so the time grows with the table.',
    threshold:
      'A search takes more than 10 ms on average, measured: an HNSW index answers in about a millisecond whatever the size. Below that the exact search is fast enough, and exact.',
    fix: 'An HNSW index with the operator class of the distance asked for; IVFFlat where building must be quick.',
    falsePositives: 'It is not a defect where every neighbour must be found: these indexes are approximate and miss some.',
    sources: ['pgvector documentation, Indexing'],
  },
  requires: ['postgres.vector-columns', 'postgres.statement-history', 'postgres.index-health', 'postgres.table-health'],
  examine(observations) {
    const { 'postgres.vector-columns': columns, 'postgres.statement-history': history, 'postgres.index-health': indexes } = observations;
    const complaints = columns.flatMap((column): Complaint[] => {
      const isIndexed = indexes.some(
        (index) =>
          tableKey(index.schema, index.table) === tableKey(column.schema, column.table) &&
          (index.method === 'hnsw' || index.method === 'ivfflat') &&
          index.isValid &&
          (index.keys[0]?.column === column.column || index.keys[0]?.expression.includes(column.column) === true),
      );
      if (isIndexed) return [];
      const searches = history.flatMap((statement) => {
        const operator = distanceOperator(statement, column);
        return operator !== null && statement.totalMs / statement.calls > slowMs ? [{ statement, operator }] : [];
      });
      const [first] = searches;
      if (first === undefined) return [];
      const row = observations['postgres.table-health'].find(({ schema, name }) => schema === column.schema && name === column.table);
      const object = table({ schema: column.schema, name: column.table });
      const share = searches.reduce((sum, { statement }) => sum + statement.timeShare, 0);
      const name = nameFor([column.table, column.column], 'hnsw');
      const meanMs = first.statement.totalMs / first.statement.calls;
      return [
        {
          object: { type: 'table', name: `${object.name} (${quoteIdentifier(column.column)})` },
          level: 'warning',
          message: `each search by ${column.column} compares all ${row === undefined ? '' : `${quantity(row.rows)} `}vectors of ${object.name}: ${milliseconds(meanMs)} a call, ${percent(share)} of all database time`,
          usedShare: share,
          evidence: [
            measured('time per call', meanMs, 'ms', 'pg_stat_statements'),
            measured('calls', first.statement.calls, '1', 'pg_stat_statements'),
            measured('statement', first.statement.text, '', 'pg_stat_statements'),
            ...(row === undefined ? [] : [measured('rows', row.rows, '1', 'pg_class')]),
          ],
          costIfIgnored: 'Each search goes on reading every vector, and more with every one added.',
          fix: {
            title: `Index ${object.name} (${column.column}) with HNSW`,
            text: 'Approximate: compare the neighbours it finds with the exact ones and raise hnsw.ef_search until enough agree. Building needs maintenance_work_mem for the whole graph to be quick.',
            up: `CREATE INDEX CONCURRENTLY ${quoteIdentifier(name)} ON ${object.name} USING hnsw (${quoteIdentifier(column.column)} ${column.type}_${operatorClasses[first.operator]});`,
            down: `DROP INDEX CONCURRENTLY ${qualifiedName(column.schema, name)};`,
          },
        },
      ];
    });
    return {
      complaints,
      otherwise:
        columns.length === 0
          ? 'the extension vector is not used here'
          : `${counted(columns.length, 'vector column')}: each is indexed, or searched in less than ${slowMs} ms`,
    };
  },
});

/** The distance by which the statement orders this column; null where it does not. */
function distanceOperator({ shape }: StatementHistoryObservation, { table: name, column }: VectorColumnObservation): string | null {
  if (!shape?.tables.some((table) => table.name === name) || shape.query?.kind !== 'select') return null;
  for (const { expression } of shape.query.orderBy) {
    if (expression.kind !== 'operation' || operatorClasses[expression.operator] === undefined) continue;
    const sides = [expression.left, expression.right];
    if (sides.some((side) => side?.kind === 'column' && side.name === column)) return expression.operator;
  }
  return null;
}
