/**
 * Masks every literal of a piece of SQL without parsing it: for what the parser refuses, and for the
 * conditions that EXPLAIN prints. Comments go too, because people and tracers put identifiers of
 * requests into them.
 *
 * A string keeps a wildcard at either end (`'%?%'`; `_` counts as one in front): whether a pattern is anchored decides which index
 * can serve it and says nothing about the value. `$n` and identifiers stay.
 */
export function maskLiterals(text: string): string {
  return mask(text, () => '?');
}

/** As `maskLiterals`, for text whose numbers are structure (`ORDER BY 1`) because its constants are replaced already. */
export function maskStrings(text: string): string {
  return mask(text, (number) => number);
}

/**
 * Comments (they nest, and one level is followed), strings of every kind, what stays as it is (identifiers in front of numbers, so
 * that the digits of `t1` are none), numbers. What a hostile text leaves open runs to its end.
 */
const token = new RegExp(
  [
    String.raw`(?<comment>--[^\n]*|/\*(?:/\*(?:(?!\*/)[\s\S])*(?:\*/|$)|(?!\*/)[\s\S])*(?:\*/|$))`,
    String.raw`(?<string>(?<dollar>\$(?:[A-Za-z_]\w*)?\$)[\s\S]*?(?:\k<dollar>|$)|[eE]'(?:\\[\s\S]|''|[^'\\])*(?:'|$)|(?:[bBxXnN]|[uU]&)?'(?:''|[^'])*(?:'|$))`,
    String.raw`"(?:""|[^"])*(?:"|$)`,
    String.raw`\$\d+`,
    String.raw`[A-Za-z_\u0080-\uFFFF][\w$\u0080-\uFFFF]*`,
    String.raw`(?<number>\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\.\d\w*(?:(?<=[eE])[+-]\d+)?)`,
  ].join('|'),
  'g',
);

function mask(text: string, maskNumber: (number: string) => string): string {
  return text.replaceAll(token, (...match: unknown[]) => {
    const found = match[0] as string;
    const { comment, string, number } = match.at(-1) as Record<'comment' | 'string' | 'number', string | undefined>;
    if (comment !== undefined) return ' ';
    if (string !== undefined) return maskString(string);
    return number === undefined ? found : maskNumber(number);
  });
}

function maskString(literal: string): string {
  const opens = /^(?:[A-Za-z]&?)?'[%_]/.test(literal) ? '%' : '';
  const closes = literal.endsWith("%'") ? '%' : '';
  return opens === '%' && literal.length <= 4 ? "'%'" : `'${opens}?${closes}'`;
}
