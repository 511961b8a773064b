/**
 * A digest is the server's own normal form of a statement: tokens with single spaces, keywords in capitals, names in
 * backticks, `?` for constants and `...` for what was folded. One trap: a name that is also a keyword (`status`, `id`)
 * stands there bare and in capitals.
 */
export interface Token {
  readonly text: string;
  /** The name a backticked token stands for; null for all others. */
  readonly name: string | null;
  /** How many parentheses are open around it; a parenthesis itself counts to the outside. */
  readonly depth: number;
}

const tokenForm = /`(?:[^`]|``)*`|\.\.\.|\/\*.*?\*\/|[\p{L}\p{N}_$]+|<=>|<=|>=|<>|!=|\|\||&&|:=|->>?|\S/gu;

export function tokensOf(digest: string): readonly Token[] {
  let depth = 0;
  return [...digest.matchAll(tokenForm)]
    .map(([text]) => text)
    .filter((text) => !text.startsWith('/*'))
    .map((text) => {
      if (text === ')') depth -= 1;
      const token = { text, name: text.startsWith('`') ? text.slice(1, -1).replaceAll('``', '`') : null, depth };
      if (text === '(') depth += 1;
      return token;
    });
}

/** Of a name: 64 characters of at most 4 bytes each, and its token. */
const longestTokenBytes = 64 * 4 + 4;

/**
 * The server keeps no more of a statement than `max_digest_length` bytes of tokens (2 for each, and 2 and its bytes more for a
 * name). MySQL marks what was cut with dots, MariaDB does not: there any text counts as cut that one more name would have
 * overfilled.
 */
export function isCutOff(digest: string, maxDigestBytes: number): boolean {
  // `?, ...` is a folded list.
  if (/(?<!\?, )\.\.\.$/.test(digest.trimEnd())) return true;
  const bytes = tokensOf(digest).reduce((sum, { name }) => sum + 2 + (name === null ? 0 : 2 + Buffer.byteLength(name)), 0);
  return bytes + longestTokenBytes > maxDigestBytes;
}

/** The pieces between separators that stand at the depth of the first token. */
export function split(tokens: readonly Token[], isSeparator: (token: Token, place: number) => boolean): readonly (readonly Token[])[] {
  const depth = tokens[0]?.depth ?? 0;
  const pieces: Token[][] = [[]];
  tokens.forEach((token, place) => {
    if (token.depth === depth && isSeparator(token, place)) pieces.push([]);
    else pieces.at(-1)!.push(token);
  });
  return pieces.filter((piece) => piece.length > 0);
}

export function isWord(token: Token | undefined, ...words: readonly string[]): boolean {
  return token !== undefined && token.name === null && words.includes(token.text.toUpperCase());
}

/** Without parentheses that stand around all of it. */
export function unwrapped(tokens: readonly Token[]): readonly Token[] {
  const [first, last] = [tokens[0], tokens.at(-1)];
  const isWrapped =
    first?.text === '(' && last?.text === ')' && tokens.slice(1, -1).every(({ depth }) => depth > first.depth) && tokens.length > 2;
  return isWrapped ? unwrapped(tokens.slice(1, -1)) : tokens;
}
