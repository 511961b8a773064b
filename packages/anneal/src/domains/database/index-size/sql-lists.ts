/** Text as PostgreSQL itself writes it, taken apart at its commas, dots and parentheses. */

/** Splits at a character that stands outside quotes, parentheses and brackets. */
export function splitOutside(text: string, separator: string): readonly string[] {
  const parts: string[] = [];
  let [depth, from] = [0, 0];
  for (const { character, at } of outsideQuotes(text, 0)) {
    if (character === '(' || character === '[') depth += 1;
    else if (character === ')' || character === ']') depth -= 1;
    else if (character === separator && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

/** Keys of an index from its `CREATE INDEX`, as pg_get_indexdef writes it. */
export function keysOf(definition: string): readonly string[] {
  const start = definition.indexOf('(', definition.indexOf(' USING '));
  return start < 0 ? [] : splitOutside(definition.slice(start + 1, closing(definition, start)), ',').map((key) => key.trim());
}

/** Where the parenthesis that opens at `start` closes. */
export function closing(text: string, start: number): number {
  let depth = 0;
  for (const { character, at } of outsideQuotes(text, start)) {
    if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    if (depth === 0) return at;
  }
  return text.length;
}

function* outsideQuotes(text: string, start: number): Generator<{ readonly character: string; readonly at: number }> {
  let quote: string | null = null;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at]!;
    if (quote !== null) {
      if (character === quote) quote = null;
    } else if (character === "'" || character === '"') quote = character;
    else yield { character, at };
  }
}

/** The elements of a one-dimensional array in PostgreSQL's text form (manual, 8.15.6); NULL elements are left out. */
export function arrayElements(text: string | null): readonly string[] {
  if (text === null) return [];
  const elements: string[] = [];
  const pattern = /(?:^\{|,)(?:"((?:[^"\\]|\\.)*)"|([^",{}]+))/gsy;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    if (match[1] !== undefined) elements.push(match[1].replaceAll(/\\(.)/gsu, '$1'));
    else if (match[2] !== undefined && match[2].toUpperCase() !== 'NULL') elements.push(match[2]);
  }
  return elements;
}

export function unquoted(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}

/** The name without its schema. */
export function lastName(qualified: string): string {
  return unquoted(splitOutside(qualified, '.').at(-1)!.trim());
}
