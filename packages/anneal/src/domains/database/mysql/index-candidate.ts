import type {
  MysqlColumnObservation,
  MysqlIndexObservation,
  MysqlPlanStep,
  MysqlTableObservation,
} from '../../../measurement/mysql-observations.ts';
import type { MysqlStatementShape } from '../../../ports/mysql.ts';

/** An index that would serve a step of a plan, or why none can be named. */
export type Candidate =
  | {
      readonly columns: readonly string[];
      /** It gives the rows in the order asked for, so that a LIMIT ends the reading. */
      readonly sorts: boolean;
      /** A condition is served by it, and not only a sort. */
      readonly filters: boolean;
      readonly reason: string;
    }
  | { readonly none: string };

interface Place {
  readonly table: MysqlTableObservation;
  readonly columns: readonly MysqlColumnObservation[];
  readonly indexes: readonly MysqlIndexObservation[];
}

/** InnoDB, DYNAMIC row format ("InnoDB Limits"): 3072 bytes and 16 columns. */
const mostKeyBytes = 3072;
const mostKeys = 16;
/** DECIMAL(65) takes 30, no date or number more. */
const widestNumberBytes = 30;
const unindexable = /text|blob|json|geometry|point|polygon|linestring|collection|vector/;

/**
 * Columns compared for equality first, since they leave the rest of the index in order; then the sort, where all its keys go one
 * way and nothing else has to be filtered in between, so that a LIMIT ends the reading; otherwise one range.
 */
export function candidateFor(shape: MysqlStatementShape, step: MysqlPlanStep, joinedBefore: readonly string[], place: Place): Candidate {
  const isStep = (alias: string) => alias.toLowerCase() === step.alias.toLowerCase();
  const isBefore = (alias: string) => joinedBefore.some((name) => name.toLowerCase() === alias.toLowerCase());
  const columnsWhere = (kind: 'equal' | 'range' | 'like') =>
    shape.conditions.flatMap((condition) => (condition.kind === kind && isStep(condition.alias) ? [condition.column] : []));
  const joined = shape.conditions.flatMap((condition) => {
    if (condition.kind !== 'join') return [];
    if (isStep(condition.alias) && isBefore(condition.other.alias)) return [condition.column];
    return isStep(condition.other.alias) && isBefore(condition.alias) ? [condition.other.column] : [];
  });
  const isIndexable = (column: string) => mostBytesOf(column, place) !== null;
  const compared = [...new Set([...columnsWhere('equal'), ...joined])];
  const ranges = columnsWhere('range').filter((column) => !compared.includes(column));
  const equal = compared.filter(isIndexable);
  const range = ranges.find(isIndexable);
  const order = sortServed(shape, isStep, joinedBefore.length === 0, equal);
  // A range in front of the sort would give it rows out of order.
  const sorts = order.length > 0 && order.every(isIndexable) && shape.hasLimit && ranges.length === 0;
  const columns = fitting([...equal, ...(sorts ? order : range === undefined ? [] : [range])], place);
  if (columns.length === 0) {
    const tooLong = [...compared, ...ranges][0];
    return {
      none:
        tooLong === undefined ? whyNone(shape, isStep, columnsWhere('like')) : `${tooLong} is too long for an index; a prefix of it may do`,
    };
  }
  const serving = place.indexes.find((index) => index.table === place.table.name && begins(index, columns, equal.length));
  if (serving?.isIgnored === true) return { none: `the index ${serving.name} would serve it and is hidden from the optimizer` };
  if (serving !== undefined) {
    return {
      none: `the index ${serving.name} serves it and the optimizer does not take it: compare the types of column and value, and ANALYZE TABLE`,
    };
  }
  const parts = [
    ...(equal.length > 0 ? [`${equal.join(', ')} compared for equality`] : []),
    ...(sorts
      ? ['then in the order asked for, so that the LIMIT ends the reading']
      : range === undefined
        ? []
        : [`then ${range}, a range`]),
  ];
  return { columns, sorts, filters: equal.length > 0 || range !== undefined, reason: parts.join(', ').replace(/^then /, '') };
}

function sortServed(
  { order, summarises }: MysqlStatementShape,
  isStep: (alias: string) => boolean,
  isFirst: boolean,
  equal: readonly string[],
): readonly string[] {
  if (order === null || summarises || !isFirst || !order.every(({ alias }) => isStep(alias))) return [];
  const open = order.filter(({ column }) => !equal.includes(column));
  // One direction is read forwards or backwards; for two, MariaDB has descending keys only from 10.8 on.
  return new Set(open.map(({ descending }) => descending)).size === 1 ? open.map(({ column }) => column) : [];
}

function whyNone(shape: MysqlStatementShape, isStep: (alias: string) => boolean, like: readonly string[]): string {
  if (like.length > 0) return `${like[0]} is compared with LIKE, and a digest does not tell whether the pattern begins with a wildcard`;
  const opaque = shape.conditions.find((condition) => condition.kind === 'opaque' && condition.aliases.some(isStep));
  if (opaque?.kind === 'opaque') return `its condition is served by no index on plain columns (${opaque.text})`;
  return 'no condition of it is about this table alone';
}

/** Bytes a value of it may take in an index; null where all of it cannot stand in one. */
function mostBytesOf(column: string, { table, columns }: Place): number | null {
  const found = columns.find(({ table: owner, name }) => owner === table.name && name === column);
  if (found === undefined || unindexable.test(found.type)) return null;
  const bytes = found.mostBytes ?? widestNumberBytes;
  return bytes <= mostKeyBytes ? bytes : null;
}

/** As many of the columns as one index may hold. */
function fitting(columns: readonly string[], place: Place): readonly string[] {
  let bytes = 0;
  return columns.slice(0, mostKeys).filter((column) => (bytes += mostBytesOf(column, place) ?? 0) <= mostKeyBytes);
}

/** Equal columns may stand in any order among themselves. InnoDB appends the primary key to each index; that is not counted on. */
function begins({ keys, kind }: MysqlIndexObservation, columns: readonly string[], equalCount: number): boolean {
  const first = keys.slice(0, columns.length);
  if (kind !== 'BTREE' || first.length < columns.length || first.some(({ prefixLength }) => prefixLength !== null)) return false;
  const names = first.map(({ column }) => column ?? '');
  const equalHere = new Set(names.slice(0, equalCount));
  return columns.every((column, place) => (place < equalCount ? equalHere.has(column) : names[place] === column));
}
