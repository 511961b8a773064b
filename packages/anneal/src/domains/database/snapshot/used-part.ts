import type { DatabaseSnapshot, SnapshotTable } from '../../../ports/database-snapshot.ts';

/**
 * The snapshot without the tables that no statement can reach: those whose name occurs in no statement, view or function,
 * with all partitions of those that do. A shadow takes about 5 ms for each table to build, and most
 * workloads touch few of them. A name that merely occurs keeps its table: too much costs a millisecond, too little a plan.
 */
export function usedPart(snapshot: DatabaseSnapshot, texts: readonly string[]): DatabaseSnapshot {
  const words = new Set([...texts, ...snapshot.views, ...snapshot.prerequisites].flatMap((text) => text.match(word) ?? []).map(bare));
  const roots = rootsOf(snapshot.tables);
  const reached = new Set(snapshot.tables.filter(({ name }) => words.has(name.toLowerCase())).map((table) => roots.get(keyOf(table))));
  const kept = new Set(snapshot.tables.map(keyOf).filter((key) => reached.has(roots.get(key))));
  return {
    ...snapshot,
    tables: snapshot.tables.filter((table) => kept.has(keyOf(table))),
    indexes: snapshot.indexes.filter(({ schema, table }) => kept.has(keyOf({ schema, name: table }))),
    foreignKeys: snapshot.foreignKeys.filter(({ schema, table, definition }) => {
      // The other table is named in the definition, qualified, with the schema it is in.
      const other = /\bREFERENCES ((?:"(?:[^"]|"")+"|[^\s(."]+)\.)?("(?:[^"]|"")+"|[^\s(."]+)/u.exec(definition);
      if (other === null) return false;
      return (
        kept.has(keyOf({ schema, name: table })) &&
        kept.has(keyOf({ schema: unquoted((other[1] ?? '').slice(0, -1)), name: unquoted(other[2]!) }))
      );
    }),
    extendedStatistics: snapshot.extendedStatistics.filter(({ table }) => kept.has(keyOf(table))),
  };
}

const word = /"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*/gu;

function bare(text: string): string {
  return unquoted(text).toLowerCase();
}

function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}

function keyOf({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return JSON.stringify([schema, name]);
}

/** The topmost parent of every table: a statement that reads one reads all under it, and a partition is planned with its siblings. */
function rootsOf(tables: readonly SnapshotTable[]): ReadonlyMap<string, string> {
  const parents = new Map(tables.map((table) => [keyOf(table), table.parent === null ? null : keyOf(table.parent)]));
  const rootOf = (key: string): string => {
    const parent = parents.get(key) ?? null;
    return parent === null ? key : rootOf(parent);
  };
  return new Map([...parents.keys()].map((key) => [key, rootOf(key)]));
}
