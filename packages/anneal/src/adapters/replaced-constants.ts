import { type Node, parseSync, type ScanToken, scanSync, type TypeName } from 'libpg-query';

/**
 * Both pg_stat_statements and libpg-query write `$n` over a constant where it stands in the text, and what comes out need not be SQL:
 * `LIKE'a'` becomes one name, `like$1`, and `interval '1 day'` becomes `interval $1`, which no server prepares.
 */

/** Types whose names the grammar does not know, as they are written in front of a constant (manual, 4.1.2.7). */
const namedTypes: ReadonlySet<string> = new Set('date timestamptz timetz uuid jsonb inet cidr bytea text'.split(' '));

const touching = /\w\$\d|\$\d+[a-z_]/iu;

/**
 * A space wherever a parameter touches a word. A name that has `$n` in it is taken for such words only if each of them is a keyword or
 * a type and `$n` stands nowhere else: names may hold a dollar sign (manual, 4.1.1), and numbers are given out once.
 * Throws what the scanner throws.
 */
export function withParametersApart(text: string): string {
  if (!touching.test(text)) return text;
  const { tokens } = scanSync(text);
  const parameters = new Set(tokens.filter(isParameter).map((token) => token.text));
  const parted = tokens.flatMap((token, at): readonly Edit[] => {
    const { start, end } = token;
    const next = tokens[at + 1];
    if (isParameter(token)) return next?.start === end && /^[a-z_]/iu.test(next.text) ? [{ start: end, end, by: ' ' }] : [];
    if (token.tokenName !== 'IDENT' || token.text.startsWith('"') || tokens[at - 1]?.text === '.') return [];
    const parts = token.text.split(/(\$\d+)/u).filter((part) => part !== '');
    const isParted = parts.length > 1 && parts.every((part) => (part.startsWith('$') ? !parameters.has(part) : isGrammar(part)));
    // The `N` of a national string is a word of its own to the parser.
    return isParted ? [{ start, end, by: parts.map((part) => (isNational(part) ? 'nchar' : part)).join(' ') }] : [];
  });
  return edited(text, parted);
}

function isGrammar(word: string): boolean {
  return isNational(word) || namedTypes.has(word.toLowerCase()) || scanSync(word).tokens[0]?.keywordName !== 'NO_KEYWORD';
}

const isNational = (word: string): boolean => /^n$/iu.test(word);
const isParameter = ({ tokenName }: ScanToken): boolean => tokenName === 'PARAM';

/**
 * The same statement with its parameters where the grammar has them: a type in front of one as a cast, with the interval's fields from
 * behind it, and for EXTRACT, whose field is a word, the function it is short for (since version 14). Throws what the parser throws.
 *
 * The parser here reads a cast as it reads what it replaces, so fingerprint and shape stay. CAST, not `::`: it ends by itself, where a
 * word behind the constant could belong to a type.
 */
export function withParametersAllowed(text: string): string {
  const misplaced = misplacedParameters(parseSync(text));
  if (misplaced.length === 0) return text;
  const bytes = Buffer.from(text);
  const tokens = scanSync(text).tokens.filter(({ tokenName }) => !tokenName.endsWith('_COMMENT'));
  const spelt = misplaced.map(({ start, parameterAt, type }): Edit => {
    const at = tokens.findIndex((token) => token.start === parameterAt);
    const [before, parameter, ...behind] = tokens.slice(at - 1);
    if (type === null) return { start, end: behind[0]!.end, by: `pg_catalog.extract(${parameter!.text},` };
    const end = behind[fieldsIn(behind) - 1]?.end ?? parameter!.end;
    const written = bytes.toString('utf8', start, before!.end) + bytes.toString('utf8', parameter!.end, end);
    return { start, end, by: `CAST(${parameter!.text} AS ${unlimited(type) ?? written})` };
  });
  return edited(text, spelt);
}

/** `bit` and `char` have no length in front of a constant, and the length 1 in a cast, unless the cast names them with their schema. */
function unlimited({ names, typmods }: TypeName): string | null {
  const [schema, type] = (names ?? []).map((name) => ('String' in name ? name.String.sval : undefined));
  return schema === 'pg_catalog' && (type === 'bit' || type === 'bpchar') && typmods === undefined ? `${schema}.${type}` : null;
}

interface MisplacedParameter {
  /** Null where it is the field of EXTRACT. */
  readonly type: TypeName | null;
  /** In bytes, as the parser counts; the scanner too. */
  readonly start: number;
  readonly parameterAt: number;
}

function misplacedParameters(tree: unknown): readonly MisplacedParameter[] {
  if (typeof tree !== 'object' || tree === null) return [];
  const here = misplacedIn(tree as Node);
  return [...(here === null ? [] : [here]), ...Object.values(tree).flatMap(misplacedParameters)];
}

function misplacedIn(node: Node): MisplacedParameter | null {
  if ('TypeCast' in node) {
    const { arg, typeName } = node.TypeCast;
    const [start, parameterAt] = [typeName?.location, parameterIn(arg)];
    const isInFront = typeName !== undefined && start !== undefined && parameterAt !== null && start < parameterAt;
    return isInFront ? { type: typeName, start, parameterAt } : null;
  }
  if (!('FuncCall' in node)) return null;
  const { funcname, funcformat, args, location: start } = node.FuncCall;
  const name = funcname?.at(-1);
  const parameterAt = parameterIn(args?.[0]);
  const isExtract = funcformat === 'COERCE_SQL_SYNTAX' && name !== undefined && 'String' in name && name.String.sval === 'extract';
  return isExtract && start !== undefined && parameterAt !== null ? { type: null, start, parameterAt } : null;
}

const parameterIn = (node: Node | undefined): number | null =>
  node !== undefined && 'ParamRef' in node ? (node.ParamRef.location ?? null) : null;

/** How many of these tokens are an interval's fields (manual, 8.5.4), `DAY TO SECOND (3)`; behind no other constant can such a word stand. */
function fieldsIn(tokens: readonly ScanToken[]): number {
  const words = tokens.slice(0, 6).map(({ text }) => text.toLowerCase());
  const isField = (at: number) => /^(?:year|month|day|hour|minute|second)$/u.test(words[at] ?? '');
  if (!isField(0)) return 0;
  const last = words[1] === 'to' && isField(2) ? 2 : 0;
  return words[last] === 'second' && words[last + 1] === '(' ? last + 4 : last + 1;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

function edited(text: string, edits: readonly Edit[]): string {
  const bytes = Buffer.from(text);
  const parts: string[] = [];
  let at = 0;
  for (const { start, end, by } of edits.toSorted((one, other) => one.start - other.start)) {
    parts.push(bytes.toString('utf8', at, start), by);
    at = end;
  }
  return [...parts, bytes.toString('utf8', at)].join('');
}
