import { certainShare } from '../../../finding/evidence-rate.ts';
import { defineRule, type RuleOutcome } from '../../../finding/finding.ts';
import { levelOf } from '../../../finding/level.ts';
import { requestTimeMs, shareOf } from '../../../finding/request-time.ts';
import { useOf } from '../../../finding/statement-use.ts';
import { shorten } from '../../../finding/subject.ts';
import { bytes, percent, quantity } from '../../../finding/wording.ts';
import type { IndexObservation, StatementObservation, TableObservation } from '../../../measurement/observations.ts';
import { callSitesOf, placeName, routeName } from '../call-sites.ts';
import { keyEvidence } from '../table-key.ts';

/** Nobody reads more than a hundred entries at once; public APIs end their pages there. */
const pageRows = 100;
/** At about 2 µs a row for reading and 1 µs for writing it, a thousand rows hold the main thread for milliseconds whatever the table. */
const manyRows = 1000;
/** Where the planner itself turns from the index to the whole table: the answer grows as the table does. */
const largePartShare = 0.05;
/** Countries, currencies, settings: a table that stays so small is read whole at no cost. */
const referenceTableRows = 1000;

export const unboundedResult = defineRule({
  id: 'api/unbounded-result',
  title: 'An answer that grows with the table',
  documentation: {
    what: 'A statement without LIMIT returns a large part of a table, and its rows are sent on.',
    why: 'Today it is slow; with the data it becomes slower for ever, in the database, in the process and on the wire.',
    threshold:
      'A hundred rows without a LIMIT, which is more than anybody reads at once; a table of 1,000 rows or one that is inserted into; and an answer of a twentieth of it (where the planner itself turns from the index to the whole) or of 1,000 rows; certainly with the share of request time asked for (1 % by default).',
    fix: 'A page: LIMIT with a keyset condition over a total order. The answer changes, so this changes the contract.',
    falsePositives:
      'It is not a defect for reference tables that do not grow, for exports that are meant to hold everything, or where the rows are only computed with.',
    sources: ['PostgreSQL manual 7.6 LIMIT and OFFSET'],
  },
  requires: ['agent.routes', 'agent.runtime', 'postgres.statements', 'postgres.tables', 'postgres.indexes', 'postgres.columns'],
  diagnose(observations, settings) {
    const { 'agent.routes': routes, 'agent.runtime': runtime, 'postgres.statements': statements, 'postgres.tables': tables } = observations;
    const totalMs = requestTimeMs(routes, runtime);
    return callSitesOf(routes).flatMap((site): RuleOutcome[] => {
      const statement = statements.find(({ id }) => id === site.statementId);
      if (statement?.shape == null || statement.kind !== 'select') return [];
      const rowsPerCall = site.rows / Math.max(site.calls, 1);
      if (statement.shape.hasLimit || rowsPerCall < pageRows) return [];
      const silence = (reason: string): RuleOutcome[] => [
        { silent: { subject: `${shorten(statement.text)} at ${placeName(site.locations[0])}`, reason } },
      ];

      const table = largestTable(statement, tables);
      if (table === null) return silence(`it returns ${quantity(rowsPerCall)} rows of no table whose size is known`);
      const reason = bounded(statement, rowsPerCall, table, observations['postgres.indexes']);
      if (reason !== null) return silence(reason);
      const answer = useOf(
        site.statementId,
        routes.filter((route) => site.routes.includes(routeName(route))),
      );
      // Four bytes read for one sent is where database/wide-rows begins: then the rows are computed with, not sent.
      if (site.receivedBytes > 0 && answer.responseBytes * 4 < site.receivedBytes) {
        return silence(`its rows are not sent on: ${bytes(site.receivedBytes)} read, ${bytes(answer.responseBytes)} answered`);
      }

      const share = shareOf(site.totalMs + answer.serialisationMs, totalMs);
      const certain = certainShare(share, site.calls);
      if (certain < settings.minimumShare) {
        return silence(
          `reading and serialising it takes ${percent(share)} of request time, ${percent(certain)} of it certain: below ${percent(settings.minimumShare)}`,
        );
      }
      const tableShare = shareOf(rowsPerCall, table.liveRows);
      const spared = 1 - pageRows / rowsPerCall;
      const order = statement.shape.orderBy[0]?.expression ?? null;
      return [
        {
          level: levelOf(certain),
          message:
            `${placeName(site.locations[0])} reads ${quantity(rowsPerCall)} rows per call, ${percent(tableShare)} of ${table.name}, without LIMIT ` +
            `and answers ${site.routes[0]} with ${bytes(answer.responseBytes / Math.max(answer.requests, 1))}: ${percent(share)} of the workload's request time.`,
          subject: { kind: 'route', key: site.key, route: site.routes[0], statementId: site.statementId },
          locations: site.locations,
          impact: { resource: 'request-time', share, certainShare: certain },
          evidence: [
            { label: 'statement', value: statement.text, unit: '', provenance: 'measured', source: 'agent' },
            { label: 'rows per call', value: rowsPerCall, unit: '1', provenance: 'measured', source: 'agent' },
            { label: `rows of ${table.name}`, value: table.liveRows, unit: '1', provenance: 'measured', source: 'pg_stat_user_tables' },
            {
              label: 'bytes per answer',
              value: answer.responseBytes / Math.max(answer.requests, 1),
              unit: 'By',
              provenance: 'measured',
              source: 'agent',
            },
            {
              label: 'time of the statement, seen by the client',
              value: site.totalMs,
              unit: 'ms',
              provenance: 'measured',
              source: 'agent',
            },
            {
              label: 'time its answers are serialised',
              value: answer.serialisationMs,
              unit: 'ms',
              provenance: 'measured',
              source: 'agent',
            },
            { label: 'calls', value: site.calls, unit: '1', provenance: 'measured', source: 'agent' },
            ...keyEvidence(table, observations['postgres.indexes'], observations['postgres.columns']),
          ],
          costIfIgnored: `${percent(share)} of request time, growing with every row of ${table.name}: twice the rows, twice the time.`,
          proposal: {
            title: `Answer in pages of ${pageRows}`,
            text:
              'Read one page, and continue after the last row of the page before (keyset), which stays fast on every page. ' +
              'This changes the contract: callers must ask for the next page.',
            code: pagedForm(statement, order),
            expected: {
              point: -share * spared,
              lower: -share * spared,
              upper: -shareOf(answer.serialisationMs * spared, totalMs),
              confidenceLevel: 0.95,
            },
          },
        },
      ];
    });
  },
});

function largestTable(statement: StatementObservation, tables: readonly TableObservation[]): TableObservation | null {
  const named = tables.filter(({ schema, name }) => statement.tables.includes(name) || statement.tables.includes(`${schema}.${name}`));
  return named.toSorted((left, right) => right.liveRows - left.liveRows)[0] ?? null;
}

function bounded(
  statement: StatementObservation,
  rowsPerCall: number,
  table: TableObservation,
  indexes: readonly IndexObservation[],
): string | null {
  const shape = statement.shape!;
  if (shape.aggregates || shape.groups) return 'it aggregates: its rows are a summary, not the data';
  const unique = uniqueKeys(table, indexes);
  const holds = (key: string, operators: readonly string[]) =>
    shape.predicates.some(({ column, operator }) => column === key && operators.includes(operator));
  if (shape.joins.length === 0 && unique.some((keys) => keys.every((key) => holds(key, ['=', 'in'])))) {
    return 'a unique key bounds it: it returns the rows its caller names';
  }
  if (table.liveRows < referenceTableRows && table.inserts === 0)
    return `${table.name} holds only ${quantity(table.liveRows)} rows and got none in the window: a reference table`;
  const part = shareOf(rowsPerCall, table.liveRows);
  if (part < largePartShare && rowsPerCall < manyRows)
    return `${quantity(rowsPerCall)} rows are ${percent(part)} of ${table.name}: a bounded part`;
  return null;
}

function uniqueKeys(table: TableObservation, indexes: readonly IndexObservation[]): readonly (readonly string[])[] {
  return indexes
    .filter(
      ({ unique, valid, definition }) =>
        unique && valid && definition.predicate === null && definition.schema === table.schema && definition.table === table.name,
    )
    .map(({ definition }) => definition.keys);
}

/** The statement with a page's LIMIT, and the keyset condition as a comment where the order is known. */
function pagedForm(statement: StatementObservation, order: string | null): string {
  const text = statement.text.trim().replace(/;$/, '');
  const first = order === null ? `${text}\nORDER BY id -- any unique column\nLIMIT ${pageRows}` : `${text}\nLIMIT ${pageRows}`;
  return `${first}\n-- the next page: also WHERE (${order ?? 'id'}, ...) beyond the last row of this page`;
}
