import { describe, expect, test } from 'vitest';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { aCallSite, aRoute, aRuntime, aStatement, aTable, aUniqueIndex, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { RouteObservation, TableObservation } from '../../../measurement/observations.ts';
import { keyOfTable } from '../table-key.ts';
import { unboundedResult } from './unbounded-result.ts';

const parser = await createSqlParser();

interface Given {
  readonly text?: string;
  readonly rowsPerCall?: number;
  readonly calls?: number;
  readonly table?: Partial<TableObservation>;
  readonly route?: Partial<RouteObservation>;
}

function diagnose({
  text = 'SELECT sku, name FROM articles ORDER BY name',
  rowsPerCall = 4_000,
  calls = 60,
  table = {},
  route = {},
}: Given) {
  const shape = parser.shape(text)!;
  return outcomesOf(unboundedResult, {
    'agent.routes': [
      aRoute({
        route: '/articles',
        requests: calls,
        totalMs: calls * 40,
        queryMs: calls * 20,
        serialisationMs: calls * 5,
        responseBytes: calls * 300_000,
        statements: [
          aCallSite({
            statementId: 'list',
            location: at('src/articles.ts', 5, 'list'),
            calls,
            rows: calls * rowsPerCall,
            receivedBytes: calls * 200_000,
            totalMs: calls * 15,
          }),
        ],
        ...route,
      }),
    ],
    'agent.runtime': aRuntime({ cpuMs: 1_200 }),
    'postgres.statements': [aStatement({ id: 'list', text, shape, kind: shape.kind, tables: ['articles'] })],
    'postgres.tables': [aTable({ name: 'articles', liveRows: 4_000, ...table })],
    'postgres.indexes': [{ ...aUniqueIndex('articles', 'sku'), primary: true }],
    'postgres.columns': [
      { schema: 'public', table: 'articles', name: 'sku', type: 'text', averageWidthBytes: 8, distinct: -1, nullShare: 0, notNull: true },
    ],
  });
}

describe('a catalogue that is answered whole', () => {
  test('is found with rows per call against rows of the table and the bytes answered', () => {
    const [finding] = diagnose({}).findings;
    expect(finding).toMatchObject({
      level: 'error',
      subject: { kind: 'route', statementId: 'list' },
      impact: { resource: 'request-time' },
    });
    // 15 ms of statement and 5 ms of serialisation in 20 ms of queries and 20 ms of CPU.
    expect(finding!.impact.share).toBeCloseTo(0.5);
    expect(evidenceOf(finding, 'rows per call')).toBe(4_000);
    expect(evidenceOf(finding, 'rows of articles')).toBe(4_000);
    expect(evidenceOf(finding, 'bytes per answer')).toBe(300_000);
    expect(finding!.message).toContain('100 % of articles');
    // What a page can be ordered by.
    expect(keyOfTable(finding!)).toEqual({ table: 'articles', columns: ['sku'], type: 'text' });
  });

  test('is answered with a page and its continuation, and says that the contract changes', () => {
    const { proposal } = diagnose({}).findings[0]!;
    expect(proposal.code).toContain('ORDER BY name\nLIMIT 100');
    expect(proposal.text).toContain('contract');
    expect(proposal.expected!.point).toBeCloseTo(-0.5 * (1 - 100 / 4_000));
  });

  test('also where a filter leaves thousands of rows of a large table', () => {
    expect(
      diagnose({ text: 'SELECT sku FROM articles WHERE season = $1', rowsPerCall: 2_500, table: { liveRows: 900_000 } }).findings,
    ).toHaveLength(1);
  });
});

test.each<[string, Given, RegExp]>([
  ['an aggregate', { text: 'SELECT season, count(*) FROM articles GROUP BY season', rowsPerCall: 150 }, /it aggregates/],
  ['rows named by a unique key', { text: 'SELECT name FROM articles WHERE sku = ANY($1)', rowsPerCall: 500 }, /a unique key bounds it/],
  ['a reference table', { rowsPerCall: 249, table: { liveRows: 249 } }, /a reference table/],
  [
    'a bounded part',
    { text: 'SELECT sku FROM articles WHERE shelf = $1', rowsPerCall: 150, table: { liveRows: 900_000 } },
    /0.0167 % of articles: a bounded part/,
  ],
  ['rows that are only computed with', { route: { responseBytes: 60 * 200 } }, /not sent on: 12 MB read, 12 kB answered/],
  ['a table nobody measured', { table: { name: 'elsewhere' } }, /no table whose size is known/],
  ['what is asked for once', { calls: 1 }, /below 1 %/],
])('silent about %s, with the reason', (_name, given, reason) => {
  const { findings, reasons } = diagnose(given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test.each<[string, Given]>([
  ['pages', { text: 'SELECT sku FROM articles ORDER BY sku LIMIT 500', rowsPerCall: 500 }],
  ['few rows', { rowsPerCall: 40 }],
])('without a word about %s', (_name, given) => {
  expect(diagnose(given)).toEqual({ findings: [], reasons: [] });
});
