import type { MysqlForeignKeyObservation, MysqlIndexObservation } from '../../../../measurement/mysql-observations.ts';
import type { MysqlProduct } from '../../../../ports/mysql.ts';
import { measured } from '../../checks/check.ts';
import { dropIndexSql, recreateSql, switchSql, switchWords } from '../index-sql.ts';

export function definitionOf({ table, name, keys, kind, isUnique }: MysqlIndexObservation): string {
  const parts = keys.map(({ column, prefixLength, descending }) =>
    [column ?? '(expression)', prefixLength === null ? '' : `(${prefixLength})`, descending ? ' DESC' : ''].join(''),
  );
  return `${isUnique ? 'UNIQUE ' : ''}${kind} ${name} ON ${table} (${parts.join(', ')})`;
}

export function definitionEvidence(index: MysqlIndexObservation, label = 'definition') {
  return measured(label, definitionOf(index), '', 'information_schema.STATISTICS');
}

export function sizeEvidence({ sizeBytes }: MysqlIndexObservation) {
  return sizeBytes === null ? [] : [measured('size', sizeBytes, 'By', 'mysql.innodb_index_stats')];
}

export function indexObject({ table, name }: MysqlIndexObservation) {
  return { type: 'index' as const, name: `${table}.${name}` };
}

/** Hide first, look for a while, drop then: hidden it is one statement from being back, dropped it has to be built again. */
export function dropProposal(index: MysqlIndexObservation, product: MysqlProduct, reason: string) {
  const { off, on } = switchWords(product);
  const again = recreateSql(index);
  return {
    title: `Hide ${index.table}.${index.name}, then drop it`,
    text:
      `${reason} Hidden (${off}) it is kept up and not used, so that one statement brings it back; a statement that names it in FORCE INDEX or USE INDEX fails meanwhile. ` +
      `When nothing has become slower over a whole cycle of work: ${dropIndexSql(index.table, index.name)};${again === null ? '' : ` and back again: ${again};`}`,
    up: `${switchSql(index.table, index.name, off)};`,
    down: `${switchSql(index.table, index.name, on)};`,
  };
}

/** InnoDB needs an index that begins with the columns of a reference, on both of its sides ("FOREIGN KEY Constraints"). */
export function servesForeignKey(index: MysqlIndexObservation, keys: readonly MysqlForeignKeyObservation[]): boolean {
  const begins = (columns: readonly string[]) => columns.every((column, place) => index.keys[place]?.column === column);
  return keys.some(
    ({ table, columns, referencedTable, referencedColumns }) =>
      (table === index.table && begins(columns)) || (referencedTable === index.table && begins(referencedColumns)),
  );
}

/** The index that makes this one needless by being the same: of two the one that enforces something stays, and else the first by name. */
export function twinOf(index: MysqlIndexObservation, siblings: readonly MysqlIndexObservation[]): MysqlIndexObservation | undefined {
  const worth = ({ isPrimary, isUnique }: MysqlIndexObservation) => (isPrimary ? 2 : isUnique ? 1 : 0);
  const isBetter = (other: MysqlIndexObservation) =>
    worth(other) > worth(index) || (worth(other) === worth(index) && other.name < index.name);
  return siblings.find(
    (other) =>
      other.name !== index.name &&
      other.kind === index.kind &&
      other.keys.length === index.keys.length &&
      isPrefix(index, other) &&
      !other.isIgnored &&
      isBetter(other),
  );
}

/** What an expression is, the catalogues do not tell alike: two of them are never called the same. */
export function isPrefix(shorter: MysqlIndexObservation, longer: MysqlIndexObservation): boolean {
  return shorter.keys.every((key, place) => {
    const other = longer.keys[place];
    return (
      key.column !== null && key.column === other?.column && key.prefixLength === other.prefixLength && key.descending === other.descending
    );
  });
}
