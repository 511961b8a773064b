import type { OrderKey } from '../../../ports/sql-parser.ts';
import { printQuery } from '../../../ports/sql-print.ts';
import type { SelectQuery } from '../../../ports/sql-tree.ts';
import { type KeysetPages, keysetPages } from '../rewrites/keyset-pages.ts';
import { defineAccessRule } from './access-rule.ts';

export const deepOffset = defineAccessRule({
  id: 'deep-offset',
  title: 'Pages by OFFSET',
  documentation: {
    what: 'A page is reached by reading everything before it and throwing that away, so page n costs n times the first one.',
    why: 'Rows inserted or deleted meanwhile shift the pages, so readers see rows twice or never. Continuing behind the last row seen (keyset pagination) costs the same for every page.',
    threshold:
      'More rows are skipped than returned, and beginning behind the last row seen would cost at most half as much; how deep the OFFSET goes is taken from parameters seen, never guessed. The statement must certainly take the share of database time asked for (1 % by default).',
    fix: 'Let the caller send the sort values of the last row it saw and begin behind them, over a total order with an index. Page numbers go, so this changes the contract.',
    falsePositives: 'It is not a defect where only the first few pages are ever asked for.',
    sources: ['PostgreSQL manual 7.6 LIMIT and OFFSET', 'PostgreSQL manual 9.25.5 Row Constructor Comparison'],
  },
  complaint: ({ table, page }) =>
    `OFFSET reads and throws away ${Math.round(page?.skippedRows ?? 0).toLocaleString('en')} rows of ${table.name} before the page begins`,
  proposal: ({ statement }, facts) => {
    const order = statement.shape?.orderBy ?? [];
    const pages = statement.shape?.query == null ? null : keysetPages(statement.shape.query, facts);
    const isKnown = pages !== null && !('refused' in pages);
    return {
      title: 'Continue behind the last row seen',
      text:
        'Let the caller send back the sort values of the last row it saw, and begin behind them. The order must be total: end it with a unique column such as the primary key. ' +
        'An index in the same order makes every page cost the same. The address of a page changes (no page numbers), so this is a change of contract.' +
        (pages !== null && 'refused' in pages ? ` The whole statement cannot be written here: ${pages.refused}.` : ''),
      code: isKnown ? keysetStatements(pages) : order.length === 0 ? null : keysetCondition(order),
    };
  },
});

function keysetStatements({ first, next, keys, tieBreakers }: KeysetPages): string {
  const print = (query: SelectQuery) => `${printQuery(query, { constants: 'masked', lines: true })};`;
  const sent = keys.map(({ column, parameter }) => `$${parameter} = ${column.name}`).join(', ');
  const added = tieBreakers.length === 0 ? '' : ` (${tieBreakers.join(', ')} makes the order total)`;
  return `-- the first page${added}\n${print(first)}\n-- every later one, with the values of the last row seen: ${sent}\n${print(next)}`;
}

/** `(a, b) < ($1, $2)` where all keys run one way (manual, 9.25.5); mixed directions need it spelled out. */
function keysetCondition(order: readonly OrderKey[]): string {
  const after = (key: OrderKey, at: number) => `${key.expression} ${key.direction === 'desc' ? '<' : '>'} $${at + 1}`;
  const orderBy = `ORDER BY ${order.map(({ expression, direction }) => (direction === 'desc' ? `${expression} DESC` : expression)).join(', ')}`;
  if (order.length === 1) return told(after(order[0]!, 0), orderBy);
  const oneWay = order.every(({ direction }) => direction === order[0]!.direction);
  const condition = oneWay
    ? `(${order.map(({ expression }) => expression).join(', ')}) ${order[0]!.direction === 'desc' ? '<' : '>'} (${order.map((_, at) => `$${at + 1}`).join(', ')})`
    : order
        .map(
          (key, at) =>
            `(${[...order.slice(0, at).map((equal, place) => `${equal.expression} = $${place + 1}`), after(key, at)].join(' AND ')})`,
        )
        .join('\n    OR ');
  return told(condition, orderBy);
}

function told(condition: string, orderBy: string): string {
  return `-- instead of OFFSET, with the last row's values as parameters:\nWHERE ${condition}\n${orderBy}\nLIMIT ...`;
}
