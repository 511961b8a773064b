import type { DatabaseSnapshot } from '../ports/database-snapshot.ts';
import { quoteIdentifier, quoteLiteral } from '../ports/index-sql.ts';
import type { ShadowEngine } from './shadow-engine.ts';

/**
 * Extended statistics have no restore function before PostgreSQL 19, and their types take no input. Their stored form is a
 * plain byte string, though (statistics.h, MVNDistinct and MVDependencies), so it is made here and cast without a function.
 */
export async function restoreExtendedStatistics(engine: ShadowEngine, { extendedStatistics, tables }: DatabaseSnapshot): Promise<void> {
  const carried = extendedStatistics.filter(({ distinct, dependencies }) => distinct !== null || dependencies !== null);
  if (carried.length === 0) return;
  await engine.query('CREATE CAST (bytea AS pg_ndistinct) WITHOUT FUNCTION; CREATE CAST (bytea AS pg_dependencies) WITHOUT FUNCTION');
  for (const { schema, name, table, distinct, dependencies } of carried) {
    const kind = tables.find((each) => each.schema === table.schema && each.name === table.name)?.kind;
    await engine.query(
      `INSERT INTO pg_statistic_ext_data (stxoid, stxdinherit, stxdndistinct, stxddependencies)
       SELECT e.oid, ${kind === 'partitioned'}, ${bytes(distinct, 'pg_ndistinct')}, ${bytes(dependencies, 'pg_dependencies')}
         FROM pg_statistic_ext e WHERE e.stxname = ${quoteLiteral(name)} AND e.stxnamespace = to_regnamespace(${quoteLiteral(quoteIdentifier(schema))})`,
    );
  }
}

type Kind = 'pg_ndistinct' | 'pg_dependencies';

const magic: Readonly<Record<Kind, number>> = { pg_ndistinct: 0xa3_52_bf_a4, pg_dependencies: 0xb4_54_9a_2c };
const formatType = 1;

function bytes(text: string | null, kind: Kind): string {
  if (text === null) return 'NULL';
  const items = [...text.matchAll(/"([^"]*)": ([-\d.e+]+)/gu)].map(([, columns, value]) => ({
    columns: columns!.split(/\s*(?:,|=>)\s*/u).map(Number),
    value: Number(value),
  }));
  const header = Buffer.alloc(12);
  [magic[kind], formatType, items.length].forEach((word, at) => header.writeUInt32LE(word, 4 * at));
  const body = items.map(({ columns, value }) => {
    // The number of columns is an int in one and an AttrNumber in the other.
    const countBytes = kind === 'pg_ndistinct' ? 4 : 2;
    const item = Buffer.alloc(8 + countBytes + 2 * columns.length);
    item.writeDoubleLE(value, 0);
    item.writeUIntLE(columns.length, 8, countBytes);
    columns.forEach((column, at) => item.writeInt16LE(column, 8 + countBytes + 2 * at));
    return item;
  });
  return `'\\x${Buffer.concat([header, ...body]).toString('hex')}'::bytea::${kind}`;
}
