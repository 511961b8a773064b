import { isDeepStrictEqual } from 'node:util';
import { fingerprintSync, loadModule, type Node, normalizeSync, parseSync } from 'libpg-query';
import { maskLiterals, maskStrings } from '../ports/sql-literals.ts';
import type { ParameterPlace, SqlParser, StatementDependencies, StatementShape } from '../ports/sql-parser.ts';
import { printQuery } from '../ports/sql-print.ts';
import type { Query } from '../ports/sql-tree.ts';
import { withParametersAllowed, withParametersApart } from './replaced-constants.ts';
import { dependenciesOf } from './sql-dependencies.ts';
import { shapeOf } from './sql-shape.ts';
import { readQuery } from './sql-tree.ts';

/** PostgreSQL 18's own parser, compiled to WebAssembly. It grows with its input and has a small stack: both are bounded here. */
export async function createSqlParser(): Promise<SqlParser> {
  await loadModule();
  return {
    fingerprint: cached((text) => fingerprint(apart(text))),
    normalise: cached((text) => normalise(apart(text))),
    preparable,
    shape: cached((text) => shape(apart(text))),
    dependencies: cached((text) => dependencies(apart(text))),
    parametersAt,
  };
}

/** A megabyte of SQL is a bulk load with inlined values, not a template worth a second look. */
const longestText = 1_000_000;
const cachedTexts = 2_000;
const longestCachedText = 50_000;

/** The least recently asked text leaves first. */
function cached<Value>(compute: (text: string) => Value): (text: string) => Value {
  const known = new Map<string, Value>();
  return (text) => {
    const value = known.has(text) ? known.get(text)! : compute(text);
    known.delete(text);
    if (text.length <= longestCachedText) known.set(text, value);
    if (known.size > cachedTexts) known.delete(known.keys().next().value!);
    return value;
  };
}

/**
 * libpg-query gives `= ANY(list)` the fingerprint of `=`. Here they differ: one batched look-up is what
 * many single ones should have been, so the two must never be counted as one statement.
 */
function fingerprint(text: string): string | null {
  return attempt(text, () => {
    const found = fingerprintSync(text);
    // Some failures ("memory exhausted ...") come back as the result instead of being thrown.
    if (!/^[0-9a-f]{16}$/.test(found)) return null;
    const quantified = /\b(?:any|some)\b/i.test(text) && JSON.stringify(parseSync(text)).includes('"AEXPR_OP_ANY"');
    return quantified ? `${found}-any` : found;
  });
}

/** A parameter that touches a word hides in it from the parser. */
function apart(text: string): string {
  return attempt(text, () => withParametersApart(text)) ?? text;
}

function preparable(text: string): string {
  const parted = apart(text);
  return attempt(parted, () => withParametersAllowed(parted)) ?? parted;
}

function normalise(text: string): string {
  const replaced = attempt(text, () => (/^[0-9a-f]{16}$/.test(fingerprintSync(text)) ? normalizeSync(text) : null));
  // The parser leaves literals of some utility statements (PREPARE, COMMENT) and every comment.
  return tidy(replaced === null ? maskLiterals(text.slice(0, longestText)) : maskStrings(preparable(replaced)));
}

function shape(text: string): StatementShape | null {
  return attempt(text, () => {
    const statements = parseSync(text).stmts ?? [];
    const only = statements.length === 1 ? statements[0]?.stmt : undefined;
    return only === undefined ? null : { ...shapeOf(only), query: wholeQuery(only, text) };
  });
}

function parametersAt(text: string): readonly ParameterPlace[] | null {
  return attempt(text, () => {
    const bytes = Buffer.from(text);
    const found: ParameterPlace[] = [];
    // The parser counts bytes, and leaves a place of 0 out.
    const visit = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      if ('ParamRef' in node) {
        const { number = 0, location = 0 } = node.ParamRef as { readonly number?: number; readonly location?: number };
        found.push({ at: bytes.toString('utf8', 0, location).length, number });
      } else for (const part of Object.values(node)) visit(part);
    };
    visit(parseSync(text));
    return found.sort((one, other) => one.at - other.at);
  });
}

function dependencies(text: string): StatementDependencies | null {
  return attempt(text, () => {
    const statements = parseSync(text).stmts ?? [];
    const only = statements.length === 1 ? statements[0]?.stmt : undefined;
    return only === undefined ? null : dependenciesOf(only);
  });
}

/** Null unless its print parses into the same tree again: a rewritten statement is printed by the same rules. */
function wholeQuery(statement: Node, text: string): Query | null {
  const parameters = Math.max(0, ...[...text.matchAll(/\$(\d+)/gu)].map((match) => Number(match[1])));
  const query = readQuery(statement, parameters);
  if (query === null) return null;
  const [again] = parseSync(printQuery(query, { constants: 'shown' })).stmts ?? [];
  const read = again?.stmt === undefined ? null : readQuery(again.stmt, parameters);
  return read !== null && isDeepStrictEqual(query, read) ? query : null;
}

/** Text that does not parse, or nests so deeply that a stack overflows, is simply not known. */
function attempt<Value>(text: string, work: () => Value | null): Value | null {
  if (text.trim() === '' || text.length > longestText || text.includes('\0')) return null;
  try {
    return work();
  } catch {
    return null;
  }
}

function tidy(text: string): string {
  return text.trim().replace(/;$/, '').trimEnd();
}
