import { createHash } from 'node:crypto';
import type { IndexDefinition } from '../../ports/planner.ts';

/** NAMEDATALEN - 1: PostgreSQL cuts longer names silently, and a cut name would not be found again. */
const longestNameBytes = 63;

/**
 * `anneal_<table>_<keys>_<hash>`: the same definition always has the same name, and the hash over the
 * whole definition keeps different ones apart. Plain ASCII, so it never needs quoting.
 */
export function indexName(definition: IndexDefinition): string {
  const { schema, table, method, keys, include, predicate } = definition;
  const hash = createHash('sha256')
    .update(JSON.stringify([schema, table, method, keys, include, predicate]))
    .digest('hex')
    .slice(0, 8);
  const readable = [table, ...keys.map((key) => parseIndexKey(key).expression)].map(asWord).filter((word) => word !== '');
  return `${['anneal', ...readable].join('_').slice(0, longestNameBytes - hash.length - 1)}_${hash}`;
}

function asWord(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/gu, '_')
    .replaceAll(/^_+|_+$/gu, '');
}

/** One key of an index, taken apart. */
export interface IndexKey {
  /** Column or expression, as SQL. */
  readonly expression: string;
  /** Without its schema; null for the type's default. */
  readonly operatorClass: string | null;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

/** Reads a key as `IndexDefinition.keys` holds it: `<column | call(...) | (expression)> [class] [ASC | DESC] [NULLS FIRST | LAST]`. */
export function parseIndexKey(key: string): IndexKey {
  const text = key.trim();
  const end = expressionEnd(text);
  const rest = text.slice(end);
  const descending = /\bdesc\b/iu.test(rest);
  const nulls = /\bnulls\s+(first|last)\b/iu.exec(rest)?.[1]?.toLowerCase();
  const operatorClass = rest
    .replaceAll(/\bnulls\s+(?:first|last)\b|\bdesc\b|\basc\b/giu, '')
    .trim()
    .split('.')
    .at(-1);
  return {
    expression: text.slice(0, end),
    operatorClass: operatorClass === undefined || operatorClass === '' ? null : operatorClass.replaceAll('"', ''),
    descending,
    // The manual, "Indexes and ORDER BY": NULLS FIRST is the default of DESC, NULLS LAST of ASC.
    nullsFirst: nulls === undefined ? descending : nulls === 'first',
  };
}

/** Whether a key's expression is a bare column. */
export function isColumn(expression: string): boolean {
  return /^(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)$/iu.test(expression);
}

/** Where the first white space outside quotes and parentheses is. */
function expressionEnd(text: string): number {
  let depth = 0;
  let quote: string | null = null;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!;
    if (quote !== null) {
      if (character === quote) quote = null;
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    else if (depth === 0 && /\s/u.test(character)) return at;
  }
  return text.length;
}

/**
 * A spelling of an expression in which the server's own deparsing and hand-written SQL usually agree:
 * `lower((email)::text)` and `lower(email)` do. Only for skipping candidates that exist already;
 * what is applied or undone is compared by the server itself (`remedies/index-catalogue.ts`).
 */
export function roughSpelling(expression: string): string {
  return expression
    .replaceAll(/::(?:text|character varying|varchar|bpchar)\b(?:\(\d+\))?/giu, '')
    .replaceAll(/"([a-z_][a-z0-9_$]*)"/gu, '$1')
    .replaceAll(/[\s()]+/gu, '');
}
