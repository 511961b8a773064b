import type { ColumnObservation, IndexObservation, TableObservation } from '../../../measurement/observations.ts';
import type { DatabaseSnapshot, SnapshotIndex } from '../../../ports/database-snapshot.ts';
import type { StatementShape } from '../../../ports/sql-parser.ts';
import type { SchemaFacts } from '../index-candidates.ts';
import { definitionOf } from './existing-indexes.ts';

const pageBytes = 8192;

/** A snapshot as the rules' own facts. Partitions are left out: an index is advised on the table that statements name. */
export function factsOf(snapshot: DatabaseSnapshot): SchemaFacts {
  const tables = snapshot.tables.filter(({ kind }) => kind === 'table' || kind === 'partitioned' || kind === 'materialized-view');
  const rows = new Map<string, number>();
  for (const { kind, parent, schema, name, rows: own } of snapshot.tables) {
    const counted = kind === 'partition' && parent !== null ? [parent.schema, parent.name] : [schema, name];
    rows.set(counted.join('.'), (rows.get(counted.join('.')) ?? 0) + Math.max(0, own));
  }
  return {
    tables: tables.map(({ schema, name, filePages, inserts, updates, hotUpdates, deletes }): TableObservation => ({
      schema,
      name,
      liveRows: rows.get(`${schema}.${name}`) ?? 0,
      sizeBytes: filePages * pageBytes,
      sequentialScans: 0,
      sequentialRowsRead: 0,
      indexScans: 0,
      inserts,
      updates,
      hotUpdates,
      deletes,
    })),
    columns: tables.flatMap(({ schema, name: table, columns }) =>
      columns.map(({ name, type, statistics }): ColumnObservation => ({
        schema,
        table,
        name,
        type,
        averageWidthBytes: statistics?.averageWidthBytes ?? 0,
        distinct: statistics?.distinct ?? 0,
        nullShare: statistics?.nullShare ?? 0,
      })),
    ),
    indexes: snapshot.indexes.flatMap(observed),
  };
}

function observed(index: SnapshotIndex): readonly IndexObservation[] {
  const definition = definitionOf(index);
  if (definition === null) return [];
  const { name, filePages, scans, valid, unique, constraint } = index;
  return [{ name, definition, sizeBytes: filePages * pageBytes, scans, valid, unique, primary: constraint === 'primary' }];
}

/** The facts of one statement's tables, so that a schema of thousands is not searched for each column. */
export function factsByTable(facts: SchemaFacts): (shape: StatementShape) => SchemaFacts {
  const group = <Item>(items: readonly Item[], nameOf: (item: Item) => string) => Map.groupBy(items, nameOf);
  const tables = group(facts.tables, ({ name }) => name);
  const columns = group(facts.columns, ({ table }) => table);
  const indexes = group(facts.indexes, ({ definition }) => definition.table);
  return (shape) => {
    const names = [...new Set(shape.tables.map(({ name }) => name))];
    return {
      tables: names.flatMap((name) => tables.get(name) ?? []),
      columns: names.flatMap((name) => columns.get(name) ?? []),
      indexes: names.flatMap((name) => indexes.get(name) ?? []),
    };
  };
}
