import type { Evidence, Finding } from '../../finding/finding.ts';
import type { ColumnObservation, IndexObservation, TableObservation } from '../../measurement/observations.ts';

/** A primary key: what orders a table's rows in one way only. Columns are written as SQL has them, quotes included. */
export interface TableKey {
  readonly table: string;
  readonly columns: readonly [string, ...string[]];
  /** Of a key of one column, as `format_type` names it; null for several columns. */
  readonly type: string | null;
}

const label = 'primary key of ';
const plainName = /^(?:\w+|"\w+")$/;

/**
 * The table's primary key as a finding's evidence, from which `keyOfTable` reads it again: a page needs an order in which no
 * two rows are equal, and only the catalogue knows of one. Empty where there is none, or one whose columns have names that
 * would have to be escaped.
 */
export function keyEvidence(
  { schema, name }: TableObservation,
  indexes: readonly IndexObservation[],
  columns: readonly ColumnObservation[],
): readonly Evidence[] {
  const key = indexes.find(
    ({ primary, valid, definition }) => primary && valid && definition.schema === schema && definition.table === name,
  );
  const keys = key?.definition.keys ?? [];
  if (keys.length === 0 || !keys.every((column) => plainName.test(column))) return [];
  const type = columns.find((column) => column.schema === schema && column.table === name && column.name === unquoted(keys[0]!))?.type;
  const value = keys.length === 1 && type !== undefined ? `${keys[0]!} ${type}` : keys.join(', ');
  return [{ label: `${label}${name}`, value, unit: '', provenance: 'measured', source: 'pg_index' }];
}

/** Null where the finding's evidence names none. */
export function keyOfTable({ evidence }: Pick<Finding, 'evidence'>): TableKey | null {
  const found = evidence.find((item) => item.label.startsWith(label));
  if (found === undefined) return null;
  const table = found.label.slice(label.length);
  const value = String(found.value);
  const [name = '', ...others] = value.split(', ');
  if (others.length > 0 && others.every((column) => plainName.test(column))) return { table, columns: [name, ...others], type: null };
  const end = value.indexOf(' ');
  return end === -1 ? { table, columns: [value], type: null } : { table, columns: [value.slice(0, end)], type: value.slice(end + 1) };
}

export function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1) : name;
}
