/**
 * The statements of an SQL file, in order, each as it is written: cut at semicolons that are in no string, quoted name,
 * dollar quote or comment (manual, "Lexical Structure"). Commands of psql are not SQL and are not known.
 */
export function sqlStatements(file: string): readonly string[] {
  const statements: string[] = [];
  let start = 0;
  let says = false;
  for (let at = 0; at < file.length;) {
    const skipped = lengthOfOpaque(file, at);
    if (skipped > 0) {
      says ||= !file.startsWith('--', at) && !file.startsWith('/*', at);
      at += skipped;
      continue;
    }
    if (file[at] === ';') {
      if (says) statements.push(file.slice(start, at).trim());
      start = at + 1;
      says = false;
    } else if (!/\s/.test(file[at]!)) says = true;
    at += 1;
  }
  if (says) statements.push(file.slice(start).trim());
  return statements;
}

/** How many characters from here on a semicolon would mean nothing; 0 where one ends a statement. */
function lengthOfOpaque(file: string, at: number): number {
  const rest = file.slice(at, at + 130);
  if (rest.startsWith('--')) return lengthUntil(file, at, '\n', 2);
  if (rest.startsWith('/*')) return lengthOfComment(file, at);
  if (rest.startsWith('"')) return lengthUntil(file, at, '"', 1);
  // In E'' a backslash escapes the quote; everywhere else it is a character, and '' is two strings side by side.
  if (/^[eE]'/.test(rest) && !/[\w$]/.test(file[at - 1] ?? ' ')) {
    return /^[eE]'(?:[^'\\]|\\[^]|'')*'?/.exec(file.slice(at))![0].length;
  }
  if (rest.startsWith("'")) return lengthUntil(file, at, "'", 1);
  const tag = /[\w$]/.test(file[at - 1] ?? ' ') ? null : /^\$(?:[A-Za-z_]\w*)?\$/.exec(rest);
  return tag === null ? 0 : lengthUntil(file, at, tag[0], tag[0].length);
}

function lengthUntil(file: string, at: number, end: string, from: number): number {
  const found = file.indexOf(end, at + from);
  return (found < 0 ? file.length : found + end.length) - at;
}

/** Comments nest in PostgreSQL. */
function lengthOfComment(file: string, at: number): number {
  let depth = 0;
  for (const { 0: mark, index } of file.slice(at).matchAll(/\/\*|\*\//g)) {
    depth += mark === '/*' ? 1 : -1;
    if (depth === 0) return index + 2;
  }
  return file.length - at;
}
