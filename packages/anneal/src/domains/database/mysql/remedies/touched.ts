import type { Measurement } from '../../../../measurement/measurement.ts';
import type { Touched } from '../../../../remedy/remedy.ts';
import type { IndexPlace } from './own-index.ts';

/** Whatever statement names the table may get another plan; one whose digest cannot be read may name it. */
export function touchedBy({ database, table }: IndexPlace, { observations }: Measurement): Touched {
  const statements = (observations['mysql.statements'] ?? []).filter(
    ({ shape }) => shape === null || shape.tables.some((use) => use.table === table || use.table === null),
  );
  return { statementIds: statements.map(({ id }) => id), routes: [], writtenTables: [`${database}.${table}`] };
}
