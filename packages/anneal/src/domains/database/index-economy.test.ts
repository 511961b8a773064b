import { expect, test } from 'vitest';
import { createSqlParser } from '../../adapters/sql-parser.ts';
import { aStatement, aTable, aUniqueIndex } from '../../finding/fixtures/observations.ts';
import type { ColumnObservation } from '../../measurement/observations.ts';
import type { IndexDefinition } from '../../ports/planner.ts';
import { writeBill } from './index-economy.ts';

const parser = await createSqlParser();
const indexOn = (key: string, method: IndexDefinition['method'] = 'btree'): IndexDefinition => ({
  schema: 'public',
  table: 'jobs',
  keys: [key],
  method,
  include: [],
  predicate: null,
});
const write = (text: string, rows: number, totalMs: number) => {
  const shape = parser.shape(text)!;
  return aStatement({ id: text, text, shape, kind: shape.kind, calls: rows, rows, totalMs, source: 'server' });
};
const existing = [aUniqueIndex('jobs', 'id')];
const columns: readonly ColumnObservation[] = [
  { schema: 'public', table: 'jobs', name: 'payload', type: 'jsonb', averageWidthBytes: 320, distinct: -1, nullShare: 0 },
  { schema: 'public', table: 'jobs', name: 'title', type: 'text', averageWidthBytes: 60, distinct: -1, nullShare: 0 },
];
const bill = (definition: IndexDefinition, writes: Parameters<typeof writeBill>[1], hotUpdates = 0) =>
  writeBill(definition, writes, aTable({ name: 'jobs', updates: 100, hotUpdates }), existing, columns);

test('one more index costs an insert as much as each index it has', () => {
  // 100 rows in 20 ms over the heap and one index: 0.1 ms for each of them.
  expect(bill(indexOn('owner'), [write('INSERT INTO jobs (id) VALUES ($1)', 100, 20)])).toMatchObject({
    rows: 100,
    entriesPerRow: 1,
    extraMs: 10,
  });
});

test('updates that leave the indexed column alone stay heap-only and cost nothing', () => {
  expect(bill(indexOn('owner'), [write('UPDATE jobs SET progress = $1 WHERE id = $2', 100, 20)], 100)).toMatchObject({
    rows: 0,
    extraMs: 0,
  });
});

test('an index on a column that updates assign ends heap-only updates, so every index is paid for', () => {
  const { extraMs, lostHeapOnlyRows } = bill(
    indexOn('progress DESC'),
    [write('UPDATE jobs SET progress = $1 WHERE id = $2', 100, 20)],
    100,
  );
  expect(lostHeapOnlyRows).toBe(100);
  expect(extraMs).toBe(20);
});

test('inverted indexes pay per path or trigram', () => {
  const insert = [write('INSERT INTO jobs (id) VALUES ($1)', 100, 20)];
  expect(bill(indexOn('payload jsonb_path_ops', 'gin'), insert)).toMatchObject({ entriesPerRow: 20, extraMs: expect.closeTo(86, 9) });
  expect(bill(indexOn('title gin_trgm_ops', 'gin'), insert)).toMatchObject({ entriesPerRow: 60, extraMs: expect.closeTo(18, 9) });
});

test('writes of other tables and reads cost it nothing', () => {
  const others = [write('INSERT INTO audit SELECT id FROM jobs', 100, 20), write('SELECT id FROM jobs WHERE owner = $1', 100, 20)];
  expect(bill(indexOn('owner'), others).extraMs).toBe(0);
});
