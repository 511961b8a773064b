import type { MysqlIndexObservation } from '../../../measurement/mysql-observations.ts';
import { quoteName, type MysqlProduct } from '../../../ports/mysql.ts';

/** The switch that hides an index from the optimizer and keeps it up: INVISIBLE in MySQL 8.0, IGNORED in MariaDB 10.6. */
export function switchWords(product: MysqlProduct): { readonly off: string; readonly on: string } {
  return product === 'MariaDB' ? { off: 'IGNORED', on: 'NOT IGNORED' } : { off: 'INVISIBLE', on: 'VISIBLE' };
}

export function switchSql(table: string, index: string, word: string): string {
  return `ALTER TABLE ${quoteName(table)} ALTER INDEX ${quoteName(index)} ${word}`;
}

/** In place and without a lock, or not at all: where the engine cannot, it says so instead of blocking the writes. */
export function addIndexSql(table: string, name: string, columns: readonly string[], options: readonly string[] = []): string {
  const hidden = options.map((option) => ` ${option}`).join('');
  return `ALTER TABLE ${quoteName(table)} ADD INDEX ${quoteName(name)} (${columns.map(quoteName).join(', ')})${hidden}, ALGORITHM=INPLACE, LOCK=NONE`;
}

export function dropIndexSql(table: string, name: string): string {
  return `ALTER TABLE ${quoteName(table)} DROP INDEX ${quoteName(name)}`;
}

/** What brings a dropped index back; null for an expression, whose text the catalogue of MariaDB does not tell. */
export function recreateSql({ table, name, keys, kind, isUnique }: MysqlIndexObservation): string | null {
  const parts = keys.map(({ column, prefixLength, descending }) =>
    column === null ? null : `${quoteName(column)}${prefixLength === null ? '' : `(${prefixLength})`}${descending ? ' DESC' : ''}`,
  );
  if (parts.includes(null)) return null;
  const type = isUnique ? 'UNIQUE ' : kind === 'FULLTEXT' || kind === 'SPATIAL' ? `${kind} ` : '';
  return `ALTER TABLE ${quoteName(table)} ADD ${type}INDEX ${quoteName(name)} (${parts.join(', ')})`;
}

/** Like what a person would call it, within the 64 characters a name may have; the table's other names are avoided. */
export function indexNameFor(columns: readonly string[], taken: readonly string[]): string {
  const stem = ['anneal', ...columns].join('_');
  const lower = new Set(taken.map((name) => name.toLowerCase()));
  for (let number = 1; ; number += 1) {
    const ending = number === 1 ? '' : `_${number}`;
    // Trailing spaces are not allowed in a name.
    const name = `${Array.from(stem)
      .slice(0, 64 - ending.length)
      .join('')
      .trimEnd()}${ending}`;
    if (!lower.has(name.toLowerCase())) return name;
  }
}
