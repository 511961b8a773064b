import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type Evidence, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { requestTimeMs, shareOf } from '../../../finding/request-time.ts';
import { useOf, type StatementUse } from '../../../finding/statement-use.ts';
import { shorten } from '../../../finding/subject.ts';
import { bytes, percent, quantity } from '../../../finding/wording.ts';
import type { ColumnObservation, StatementObservation } from '../../../measurement/observations.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';

/**
 * A row on the wire takes less room than the same row as JSON, which repeats every column's name. So a
 * statement that receives four times what its routes answer brings at least three quarters for nothing.
 */
const surplusRatio = 4;

/** What one TCP segment on Ethernet carries: below it a row costs one packet whatever its width. */
const smallestCallBytes = 1_460;

export const wideRows = defineRule({
  id: 'database/wide-rows',
  title: 'Rows wider than their use',
  documentation: {
    what: 'A statement brings far more bytes from the database than the routes that run it answer with, usually by SELECT * on a table with long texts or documents.',
    why: 'The server reads and sends them, and the process parses and collects them, for nothing.',
    threshold:
      'A call brings more than 1,460 bytes, which one network packet carries anyway, and four times what its routes answer: a row on the wire takes less room than the same row as JSON, so three quarters at least are for nothing. The statement must certainly take the share of request time asked for (1 % by default).',
    fix: 'Name the columns that are used; move a long one that rarely is into a table of its own.',
    falsePositives: 'It is not a defect where the route computes its answer from all of them.',
    sources: ['PostgreSQL manual 66.2 TOAST', 'RFC 9293, maximum segment size on Ethernet'],
  },
  requires: ['agent.routes', 'agent.runtime', 'postgres.statements', 'postgres.columns'],
  // Bytes of rows that are dropped whole are no matter of their width.
  yieldsTo: ['api/over-fetched-rows'],
  diagnose({ 'agent.routes': routes, 'agent.runtime': runtime, 'postgres.statements': statements, 'postgres.columns': columns }, settings) {
    const requestMs = requestTimeMs(routes, runtime);
    return statements.flatMap((statement): readonly RuleOutcome[] => {
      const use = useOf(statement.id, routes);
      if (statement.kind !== 'select' || use.calls === 0) return [];
      const silent = (reason: string): RuleOutcome[] => [{ silent: { subject: shorten(statement.text), reason } }];
      const perCall = use.receivedBytes / use.calls;
      if (perCall < smallestCallBytes || use.receivedBytes < surplusRatio * use.responseBytes) {
        // Most statements: worth a sentence only where the text gives reason to look.
        if (statement.shape?.selectsStar !== true) return [];
        return silent(
          perCall < smallestCallBytes
            ? `a call brings ${bytes(perCall)}: it fits one packet, so leaving columns out saves nothing`
            : `it brings ${quantity(use.receivedBytes / use.responseBytes)} times what its routes answer with: that is used`,
        );
      }
      const surplus = 1 - use.responseBytes / use.receivedBytes;
      const share = shareOf(use.totalMs * surplus, requestMs);
      const certain = certainShare(share, use.calls);
      if (certain < settings.minimumShare) {
        return silent(
          `${percent(share)} of request time over ${use.calls} call(s): ${percent(certain)} is certain, below the ${percent(settings.minimumShare)} asked for`,
        );
      }
      const wide = wideColumns(statement, columns, surplus);
      const named = wide.length === 0 ? '' : `, most of it in ${wide.map(({ table, name }) => `${table}.${name}`).join(', ')}`;
      return [
        {
          level: levelOf(certain),
          message:
            `each call brings ${bytes(perCall)} and its routes answer with ${bytes(use.responseBytes / use.calls)} of it or less${named}: ` +
            `${percent(surplus)} of what the database sends is not used, ${percent(share)} of all request time.`,
          subject: {
            kind: 'statement',
            key: statement.id,
            statementId: statement.id,
            text: statement.text,
            tables: statement.tables,
            columns: wide.map(({ name }) => name),
          },
          locations: statement.locations,
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: evidenceFor(use, wide),
          costIfIgnored: `${bytes(use.receivedBytes - use.responseBytes)} in this window were read, sent and parsed for nothing, and as much will be again.`,
          proposal: {
            title: 'Select the columns that are used',
            text:
              'Name the columns the answer needs instead of taking them all' +
              (wide.length === 0 ? '.' : `, without ${wide.map(({ name }) => name).join(', ')} unless the answer shows them.`) +
              ' Long values that lie out of line (TOAST) are then not even read.',
            code: columnList(statement, columns, wide),
            expected: { point: -share, lower: -share, upper: 0, confidenceLevel: 0.95 },
          },
        },
      ];
    });
  },
});

/** The widest columns first until they explain the surplus. What lies out of line counts 18 bytes here, so long texts can be missed. */
function wideColumns(
  statement: StatementObservation,
  columns: readonly ColumnObservation[],
  surplus: number,
): readonly ColumnObservation[] {
  const selected = selectedColumns(statement, columns);
  const all = selected.reduce((sum, { averageWidthBytes }) => sum + averageWidthBytes, 0);
  let explained = 0;
  return selected
    .toSorted((a, b) => b.averageWidthBytes - a.averageWidthBytes)
    .filter(({ averageWidthBytes }) => {
      const isNeeded = explained < surplus * all && averageWidthBytes > all / selected.length;
      if (isNeeded) explained += averageWidthBytes;
      return isNeeded;
    });
}

function selectedColumns(
  { shape, tables, text }: StatementObservation,
  columns: readonly ColumnObservation[],
): readonly ColumnObservation[] {
  const own = columns.filter(({ schema, table }) => tables.some((name) => name === table || name === `${schema}.${table}`));
  if (shape?.selectsStar === true) return own;
  const words = new Set(text.match(/[\p{L}_][\p{L}\p{N}_$]*/gu));
  return own.filter(({ name }) => words.has(name));
}

/** Only for one table: which of several a `*` means is the query's own matter. */
function columnList(
  { shape, tables }: StatementObservation,
  columns: readonly ColumnObservation[],
  wide: readonly ColumnObservation[],
): string | null {
  if (shape?.selectsStar !== true || shape.tables.length !== 1 || wide.length === 0) return null;
  const kept = columns
    .filter(({ schema, table }) => tables.includes(table) || tables.includes(`${schema}.${table}`))
    .filter((column) => !wide.includes(column));
  return kept.length === 0 ? null : `SELECT ${kept.map(({ name }) => quoteIdentifier(name)).join(', ')} FROM ${tables[0]} ...`;
}

function evidenceFor(
  { calls, receivedBytes, responseBytes, routes }: StatementUse,
  wide: readonly ColumnObservation[],
): readonly [Evidence, ...Evidence[]] {
  return [
    { label: 'bytes received per call', value: receivedBytes / calls, unit: 'By', provenance: 'measured', source: 'agent' },
    { label: 'bytes answered by its routes per call', value: responseBytes / calls, unit: 'By', provenance: 'measured', source: 'agent' },
    { label: 'routes', value: routes.join(', '), unit: '', provenance: 'measured', source: 'agent' },
    ...wide.map((column): Evidence => ({
      label: `average width of ${column.table}.${column.name}`,
      value: column.averageWidthBytes,
      unit: 'By',
      provenance: 'measured',
      source: 'pg_stats',
    })),
  ];
}
