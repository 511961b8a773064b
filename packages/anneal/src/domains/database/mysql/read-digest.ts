import type { MysqlColumnObservation } from '../../../measurement/mysql-observations.ts';
import {
  quoteName,
  type MysqlColumnUse,
  type MysqlCondition,
  type MysqlSortColumn,
  type MysqlStatementShape,
  type MysqlTableUse,
} from '../../../ports/mysql.ts';
import { isCutOff, isWord, split, tokensOf, unwrapped, type Token } from './digest-tokens.ts';

export interface ReadDigest {
  readonly shape: MysqlStatementShape;
  readonly explain: ExplainableText;
}

/** The statement with a stand-in for each constant, and where the stand-ins come from. */
export interface ExplainableText {
  readonly text: string;
  readonly standIns: readonly { readonly variable: string; readonly table: string; readonly column: string }[];
}

/** Column names by table, in lower case: MySQL compares names of columns without case, and digests may have changed it. */
export type Catalogue = ReadonlyMap<string, ReadonlyMap<string, string>>;

export function catalogueOf(columns: readonly MysqlColumnObservation[]): Catalogue {
  return new Map(
    [...Map.groupBy(columns, ({ table }) => table)].map(([table, own]) => [
      table,
      new Map(own.map(({ name }) => [name.toLowerCase(), name])),
    ]),
  );
}

export interface DigestContext {
  readonly database: string;
  readonly catalogue: Catalogue;
  readonly maxDigestBytes: number;
}

/** Clauses that end the one before them. */
const clauses = ['WHERE', 'GROUP', 'HAVING', 'WINDOW', 'ORDER', 'LIMIT', 'FOR', 'LOCK', 'INTO', 'PROCEDURE', 'RETURNING', 'SET'];
const combinations = ['UNION', 'EXCEPT', 'INTERSECT'];
const aggregates = ['COUNT', 'SUM', 'MIN', 'MAX', 'AVG', 'GROUP_CONCAT', 'STD', 'VARIANCE', 'DISTINCTROW', 'DISTINCT', 'GROUP'];

/**
 * What a SELECT, or an UPDATE or DELETE of one table, asks of its tables. Null for other statements, unions, common table
 * expressions and texts the server cut off. Names are resolved with the catalogue; what stays unclear becomes `opaque`, so a
 * statement misread is one that no index is proposed for.
 *
 * `rowsPerCall` stands in for LIMIT, which takes no variable.
 */
export function readDigest(digest: string, { database, catalogue, maxDigestBytes }: DigestContext, rowsPerCall: number): ReadDigest | null {
  if (isCutOff(digest, maxDigestBytes)) return null;
  const tokens = tokensOf(digest);
  if (tokens.some((token) => token.depth === 0 && isWord(token, ...combinations))) return null;
  const parts = clausesOf(tokens);
  if (parts === null) return null;
  const { tables, joins } = readTables(parts.from, database, catalogue);
  const columnAt = columnReader(tables, catalogue);
  const conditions = [...joins, parts.where].flatMap((clause) => readConditions(clause, columnAt));
  const isSelect = isWord(tokens[0], 'SELECT');
  return {
    shape: {
      tables,
      conditions: conditions.map(({ condition }) => condition),
      order: readOrder(parts.order, columnAt),
      summarises: parts.group.length > 0 || parts.list.some((token) => isWord(token, ...aggregates) || isAggregateName(token)),
      hasLimit: parts.limit.length > 0,
    },
    explain: explainable(isSelect ? tokens : parts.reading, new Map(conditions.flatMap(({ constants }) => constants)), tables, rowsPerCall),
  };
}

function isAggregateName({ name }: Token): boolean {
  return name !== null && aggregates.includes(name.toUpperCase());
}

interface Clauses {
  readonly list: readonly Token[];
  readonly from: readonly Token[];
  readonly where: readonly Token[];
  readonly group: readonly Token[];
  readonly order: readonly Token[];
  readonly limit: readonly Token[];
  /** A SELECT that finds the same rows: for UPDATE and DELETE, which only a role that may write can EXPLAIN. */
  readonly reading: readonly Token[];
}

function clausesOf(tokens: readonly Token[]): Clauses | null {
  const at = (...words: readonly string[]) => tokens.findIndex((token) => token.depth === 0 && isWord(token, ...words));
  const piece = (word: string) => {
    const start = at(word);
    if (start < 0) return [];
    const length = tokens.slice(start + 1).findIndex((token) => token.depth === 0 && isWord(token, ...clauses));
    return tokens.slice(start + 1, length < 0 ? tokens.length : start + 1 + length);
  };
  const by = (word: string) => (isWord(piece(word)[0], 'BY') ? piece(word).slice(1) : piece(word));
  const rest = { where: piece('WHERE'), group: by('GROUP'), order: by('ORDER'), limit: piece('LIMIT') };
  const tail = tokens.slice([at('WHERE'), at('ORDER'), at('LIMIT')].find((place) => place >= 0) ?? tokens.length);
  const readingOf = (from: readonly Token[]) => [...tokensOf('SELECT * FROM'), ...from, ...tail];
  if (isWord(tokens[0], 'SELECT')) return { list: tokens.slice(1, Math.max(at('FROM'), 1)), from: piece('FROM'), ...rest, reading: tokens };
  if (isWord(tokens[0], 'DELETE') && isWord(tokens[1], 'FROM')) {
    const from = piece('FROM');
    return { list: [], from, ...rest, reading: readingOf(from) };
  }
  if (isWord(tokens[0], 'UPDATE') && at('SET') > 0) {
    const from = tokens.slice(1, at('SET')).filter((token) => !isWord(token, 'LOW_PRIORITY', 'IGNORE'));
    return { list: [], from, ...rest, reading: readingOf(from) };
  }
  return null;
}

const joinWords = ['JOIN', 'STRAIGHT_JOIN'];
const beforeJoin = ['LEFT', 'RIGHT', 'INNER', 'OUTER', 'CROSS', 'NATURAL', 'FULL'];
const afterTable = [...joinWords, ...beforeJoin, 'ON', 'USING', 'USE', 'FORCE', 'IGNORE', 'PARTITION'];

function readTables(from: readonly Token[], database: string, catalogue: Catalogue) {
  const factors = split(from, (token) => token.text === ',' || isWord(token, ...joinWords));
  const tables = factors.map((factor): MysqlTableUse => {
    const end = factor.findIndex((token) => token.depth === factor[0]!.depth && isWord(token, ...afterTable));
    const words = (end < 0 ? factor : factor.slice(0, end)).filter((token) => !isWord(token, 'AS', 'LATERAL'));
    const alias = aliasOf(words.at(-1)!);
    if (words[0]!.text === '(') return { alias, table: null };
    const isQualified = words[1]?.text === '.';
    const written = aliasOf(isQualified ? words[2]! : words[0]!);
    const isHere = !isQualified || aliasOf(words[0]!) === database;
    const table = [...catalogue.keys()].find((name) => name === written) ?? bareWord(words[isQualified ? 2 : 0], [...catalogue.keys()]);
    return { alias: words.length === (isQualified ? 3 : 1) ? (table ?? alias) : alias, table: isHere ? (table ?? null) : null };
  });
  const joins = factors.map((factor) => {
    const on = factor.findIndex((token) => token.depth === factor[0]!.depth && isWord(token, 'ON'));
    const condition = on < 0 ? [] : factor.slice(on + 1);
    // `LEFT` and its like belong to the next table.
    const end = condition.findIndex((token) => token.depth === factor[0]!.depth && isWord(token, ...beforeJoin));
    return end < 0 ? condition : condition.slice(0, end);
  });
  return { tables, joins };
}

function aliasOf({ name, text }: Token): string {
  return name ?? text;
}

/** A name that is a keyword too has lost its case. */
function bareWord(token: Token | undefined, names: readonly string[]): string | undefined {
  if (token === undefined || token.name !== null) return undefined;
  return names.find((name) => name.toLowerCase() === token.text.toLowerCase());
}

interface ColumnAt {
  readonly use: MysqlColumnUse;
  /** Tokens it takes. */
  readonly length: number;
}

type ColumnReader = (tokens: readonly Token[]) => ColumnAt | null;

function columnReader(tables: readonly MysqlTableUse[], catalogue: Catalogue): ColumnReader {
  const columnOf = ({ alias, table }: MysqlTableUse, token: Token): MysqlColumnUse | null => {
    const column = table === null ? undefined : catalogue.get(table)?.get(aliasOf(token).toLowerCase());
    return column === undefined ? null : { alias, column };
  };
  return (tokens) => {
    const [first, dot, second, next] = tokens;
    if (first === undefined || /^[^\p{L}\p{N}_$`]/u.test(first.text)) return null;
    if (dot?.text === '.' && second !== undefined && next?.text !== '.') {
      const table = tables.find(({ alias }) => alias === first.name || alias.toLowerCase() === first.text.toLowerCase());
      const use = table === undefined ? null : columnOf(table, second);
      return use === null ? null : { use, length: 3 };
    }
    if (dot?.text === '(') return null;
    const uses = tables.flatMap((table) => columnOf(table, first) ?? []);
    return uses.length === 1 ? { use: uses[0]!, length: 1 } : null;
  };
}

interface ReadCondition {
  readonly condition: MysqlCondition;
  /** Which `?` stand for a value of which column. */
  readonly constants: readonly (readonly [Token, MysqlColumnUse])[];
}

function readConditions(clause: readonly Token[], columnAt: ColumnReader): readonly ReadCondition[] {
  const tokens = unwrapped(clause);
  if (tokens.length === 0) return [];
  const depth = tokens[0]!.depth;
  if (tokens.some((token) => token.depth === depth && (isWord(token, 'OR', 'XOR') || token.text === '||')))
    return [opaque(tokens, columnAt, 'OR')];
  let isBetween = false;
  const conjuncts = split(tokens, (token) => {
    if (isWord(token, 'BETWEEN')) isBetween = true;
    if (!isWord(token, 'AND') && token.text !== '&&') return false;
    const separates = !isBetween;
    isBetween = false;
    return separates;
  });
  return conjuncts.length > 1 ? conjuncts.flatMap((conjunct) => readConditions(conjunct, columnAt)) : [readConjunct(tokens, columnAt)];
}

const mirrored: Readonly<Record<string, string>> = { '<': '>', '>': '<', '<=': '>=', '>=': '<=', '=': '=', '<=>': '<=>' };

function readConjunct(tokens: readonly Token[], columnAt: ColumnReader): ReadCondition {
  const left = columnAt(tokens);
  if (left === null) return readMirrored(tokens, columnAt);
  const rest = tokens.slice(left.length);
  const [operator, ...operand] = rest;
  const told = (kind: 'equal' | 'range' | 'like') => ({ condition: { kind, ...left.use }, constants: constantsIn(operand, left.use) });
  if (isWord(operator, 'IS') && isWord(operand[0], 'NULL') && operand.length === 1) return told('equal');
  if (operator === undefined || !isConstant(operand, columnAt)) return readJoin(left.use, rest, columnAt) ?? opaque(tokens, columnAt);
  if (operator.text === '=' || operator.text === '<=>' || isWord(operator, 'IN')) return told('equal');
  if (operator.text in mirrored || isWord(operator, 'BETWEEN')) return told('range');
  return isWord(operator, 'LIKE') ? told('like') : opaque(tokens, columnAt);
}

function readJoin(use: MysqlColumnUse, [operator, ...operand]: readonly Token[], columnAt: ColumnReader): ReadCondition | null {
  const other = columnAt(operand);
  const joins = operator?.text === '=' && other !== null && other.length === operand.length && other.use.alias !== use.alias;
  return joins ? { condition: { kind: 'join', ...use, other: other.use }, constants: [] } : null;
}

/** `? < column`. */
function readMirrored(tokens: readonly Token[], columnAt: ColumnReader): ReadCondition {
  const depth = tokens[0]!.depth;
  const place = tokens.findIndex((token) => token.depth === depth && token.name === null && token.text in mirrored);
  if (place <= 0) return opaque(tokens, columnAt);
  const [constant, operator, column] = [tokens.slice(0, place), tokens[place]!, tokens.slice(place + 1)];
  const right = columnAt(column);
  if (right === null || right.length !== column.length || !isConstant(constant, columnAt)) return opaque(tokens, columnAt);
  return readConjunct([...column, { ...operator, text: mirrored[operator.text]! }, ...constant], columnAt);
}

function isConstant(tokens: readonly Token[], columnAt: ColumnReader): boolean {
  // A name that is no column of a known table may be one of a table that is not known.
  return tokens.every(
    (token, place) =>
      !isWord(token, 'SELECT') && columnAt(tokens.slice(place)) === null && (token.name === null || tokens[place + 1]?.text === '('),
  );
}

/** Only a constant that stands alone is of the column's type: `NOW() - INTERVAL ? DAY` has another. */
function constantsIn(operand: readonly Token[], use: MysqlColumnUse): ReadCondition['constants'] {
  const isPlain = operand.every((token) => ['?', '...', '(', ')', ','].includes(token.text) || isWord(token, 'AND'));
  return isPlain ? operand.filter(({ text }) => text === '?' || text === '...').map((token) => [token, use] as const) : [];
}

function opaque(tokens: readonly Token[], columnAt: ColumnReader, what?: string): ReadCondition {
  const aliases = tokens.flatMap((_, place) => columnAt(tokens.slice(place))?.use.alias ?? []);
  const text = tokens.map((token) => token.text).join(' ');
  return {
    condition: { kind: 'opaque', text: what === undefined ? text : `${what}: ${text}`, aliases: [...new Set(aliases)] },
    constants: [],
  };
}

function readOrder(order: readonly Token[], columnAt: ColumnReader): readonly MysqlSortColumn[] | null {
  const keys = split(order, ({ text }) => text === ',').map((key): MysqlSortColumn | null => {
    const direction = key.at(-1);
    const bare = isWord(direction, 'ASC', 'DESC') ? key.slice(0, -1) : key;
    const column = columnAt(bare);
    return column === null || column.length !== bare.length ? null : { ...column.use, descending: isWord(direction, 'DESC') };
  });
  return keys.every((key) => key !== null) ? keys : null;
}

/**
 * A stand-in is a user variable that holds a value of the column it is compared with: right in type, and it never leaves
 * the server. What is compared with no column becomes 1.
 */
function explainable(
  tokens: readonly Token[],
  constants: ReadonlyMap<Token, MysqlColumnUse>,
  tables: readonly MysqlTableUse[],
  rowsPerCall: number,
): ExplainableText {
  const standIns = new Map<string, ExplainableText['standIns'][number]>();
  const standInFor = ({ alias, column }: MysqlColumnUse): string => {
    const table = tables.find((use) => use.alias === alias)?.table ?? null;
    if (table === null) return '1';
    const key = `${quoteName(table)}.${quoteName(column)}`;
    const known = standIns.get(key) ?? { variable: `@anneal_${standIns.size}`, table, column };
    standIns.set(key, known);
    return known.variable;
  };
  const limit = tokens.findLastIndex((token) => token.depth === 0 && isWord(token, 'LIMIT'));
  const words = tokens.flatMap((token, place): string[] => {
    const use = constants.get(token);
    if (use !== undefined) return [standInFor(use)];
    // `?, ...` and `(?, ...)`: what was folded is left out, with its comma.
    if (token.text === ',' && tokens[place + 1]?.text === '...' && !constants.has(tokens[place + 1]!)) return [];
    if (token.text === '...') return tokens[place - 1]?.text === ',' ? [] : ['1'];
    if (token.text !== '?') return [token.text];
    return [place === limit + 1 && limit >= 0 ? String(Math.max(Math.round(rowsPerCall), 1)) : limit >= 0 && place > limit ? '0' : '1'];
  });
  return { text: words.join(' '), standIns: [...standIns.values()] };
}
