export interface SqlTemplate {
  /** Literals replaced by `?`, comments dropped, white space collapsed, lists shortened to `(...)`. */
  readonly text: string;
  /** Whether anything was replaced: then the text itself tells calls apart, not only the parameters. */
  readonly hasLiterals: boolean;
}

/**
 * PostgreSQL's lexical structure (manual, section 4.1), as far as masking needs it. When in doubt a
 * thing counts as a literal: what is left must be safe to store.
 */
const postgresToken =
  /(?<comment>--[^\n]*|\/\*)|(?<dollar>\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$)|(?<parameter>\$\d+)|(?<escaped>[eE]')|(?<quoted>(?:[bBxXnN]|[uU]&)?')|(?<identifier>(?:[uU]&)?"(?:[^"]|"")*"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?<number>(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?(?:[xXoObB][\da-fA-F_]+)?)|(?<space>\s+)|(?<other>.)/gsy;

/**
 * MySQL's (manual, sections 11.1.1 and 11.7): both quotes make strings, in which a backslash escapes;
 * names stand in backticks; `#` begins a comment as `-- ` does. Under ANSI_QUOTES double quotes are
 * names: those are masked too, which merges templates but never shows a string.
 */
const mysqlToken =
  /(?<comment>--(?=\s|$)[^\n]*|#[^\n]*|\/\*)|(?<escaped>(?:[bBxXnN]|_[A-Za-z0-9]+ ?)?["'])|(?<identifier>`(?:[^`]|``)*`|[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*)|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:[xXbB][\da-fA-F]+)?)|(?<space>\s+)|(?<other>.)/gsy;

/** A list of placeholders only differs in length from call to call; the statement is the same. */
const inList = /\b(in) ?\((?: ?(?:\?|\$\d+) ?,)* ?(?:\?|\$\d+) ?\)/gi;
const rowList = /\b(values) ?\((?:[^()]|\([^()]*\))*\)(?: ?, ?\((?:[^()]|\([^()]*\))*\))+/gi;

export type SqlDialect = 'postgresql' | 'mysql';

export function sqlTemplate(sql: string, dialect: SqlDialect = 'postgresql'): SqlTemplate {
  const token = dialect === 'mysql' ? mysqlToken : postgresToken;
  let text = '';
  let hasLiterals = false;
  let at = 0;
  while (at < sql.length) {
    token.lastIndex = at;
    const groups = token.exec(sql)?.groups;
    if (groups === undefined) break;
    at = token.lastIndex;
    if (groups['space'] !== undefined) text = spaced(text);
    else if (groups['comment'] !== undefined) {
      if (groups['comment'] === '/*') at = dialect === 'mysql' ? endOfFlatComment(sql, at) : endOfComment(sql, at);
      text = spaced(text);
    } else if (groups['escaped'] !== undefined || groups['quoted'] !== undefined) {
      at = endOfString(sql, at, sql[at - 1]!, groups['escaped'] !== undefined);
      text += '?';
      hasLiterals = true;
    } else if (groups['dollar'] !== undefined) {
      const end = sql.indexOf(groups['dollar'], at);
      at = end === -1 ? sql.length : end + groups['dollar'].length;
      text += '?';
      hasLiterals = true;
    } else if (groups['number'] !== undefined) {
      text += '?';
      hasLiterals = true;
    } else text += groups['identifier'] ?? groups['parameter'] ?? groups['other'];
  }
  return { text: text.trim().replaceAll(inList, '$1 (...)').replaceAll(rowList, '$1 (...)'), hasLiterals };
}

function spaced(text: string): string {
  return text === '' || text.endsWith(' ') ? text : `${text} `;
}

/** Comments nest in PostgreSQL. */
function endOfComment(sql: string, from: number): number {
  let depth = 1;
  let at = from;
  while (at < sql.length && depth > 0) {
    if (sql.startsWith('*/', at)) {
      depth -= 1;
      at += 2;
    } else if (sql.startsWith('/*', at)) {
      depth += 1;
      at += 2;
    } else at += 1;
  }
  return at;
}

function endOfFlatComment(sql: string, from: number): number {
  const end = sql.indexOf('*/', from);
  return end === -1 ? sql.length : end + 2;
}

function endOfString(sql: string, from: number, quote: string, backslashes: boolean): number {
  for (let at = from; at < sql.length; at += 1) {
    if (backslashes && sql[at] === '\\') at += 1;
    else if (sql[at] === quote) {
      if (sql[at + 1] !== quote) return at + 1;
      at += 1;
    }
  }
  return sql.length;
}
