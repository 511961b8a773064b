import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../test/support/test-database.ts';
import { indexSql, qualifiedName, quoteIdentifier, quoteLiteral } from '../../ports/index-sql.ts';
import type { IndexDefinition } from '../../ports/planner.ts';
import { indexName, parseIndexKey } from './index-ddl.ts';

const definition: IndexDefinition = {
  schema: 'public',
  table: 'orders',
  keys: ['customer_id', 'placed_at DESC'],
  method: 'btree',
  include: [],
  predicate: null,
};

test('a name tells table and keys, and is the same every time', () => {
  expect(indexName(definition)).toMatch(/^anneal_orders_customer_id_placed_at_[0-9a-f]{8}$/);
  expect(indexName({ ...definition })).toBe(indexName(definition));
});

test('definitions that differ anywhere have different names', () => {
  const variants: readonly IndexDefinition[] = [
    definition,
    { ...definition, schema: 'archive' },
    { ...definition, keys: ['customer_id', 'placed_at'] },
    { ...definition, predicate: 'total > 0' },
    { ...definition, include: ['total'] },
    { ...definition, method: 'gin' },
  ];
  expect(new Set(variants.map(indexName)).size).toBe(variants.length);
});

test('a name fits into 63 bytes and needs no quotes, whatever the table is called', () => {
  const long = indexName({ ...definition, table: `Größte "Tabelle"; ${'x'.repeat(80)}`, keys: ['"a b"', 'lower("Ä")'] });
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(63);
  expect(long).toMatch(/^anneal_[a-z0-9_]+_[0-9a-f]{8}$/);
});

test('a key is taken apart, however it is written', () => {
  const plain = { operatorClass: null, descending: false, nullsFirst: false };
  expect(parseIndexKey('post_id')).toEqual({ ...plain, expression: 'post_id' });
  expect(parseIndexKey('"a desc" DESC')).toEqual({ expression: '"a desc"', operatorClass: null, descending: true, nullsFirst: true });
  expect(parseIndexKey(`coalesce(a, ' desc)') text_pattern_ops ASC NULLS FIRST`)).toEqual({
    expression: `coalesce(a, ' desc)')`,
    operatorClass: 'text_pattern_ops',
    descending: false,
    nullsFirst: true,
  });
  expect(parseIndexKey('body "My Ext".gin_trgm_ops')).toEqual({ ...plain, expression: 'body', operatorClass: 'gin_trgm_ops' });
});

test('every key word of the server and every hostile name survives as a column name', async () => {
  await using database = await createTestDatabase();
  const { rows } = await database.client.query<{ word: string }>('SELECT word FROM pg_get_keywords()');
  const names = [
    ...rows.map(({ word }) => word),
    'Mixed',
    'two words',
    'quo"te',
    "apo'strophe",
    '1st',
    '; DROP TABLE x; --',
    'größe',
    'a$b',
  ];
  await database.client.query(`CREATE TABLE everything (${names.map((name) => `${quoteIdentifier(name)} int`).join(', ')})`);
  const columns = await database.client.query<{ attname: string }>(
    `SELECT attname FROM pg_attribute WHERE attrelid = 'everything'::regclass AND attnum > 0 ORDER BY attnum`,
  );
  expect(columns.rows.map(({ attname }) => attname)).toEqual(names);
  expect(quoteIdentifier('created_at')).toBe('created_at');
});

test('a literal reads back as it was', async () => {
  await using database = await createTestDatabase();
  const text = `it's a \\ back\nslash`;
  const { rows } = await database.client.query<{ text: string }>(`SELECT ${quoteLiteral(text)} AS text`);
  expect(rows[0]!.text).toBe(text);
});

test('the statement is what the manual asks for', () => {
  expect(indexSql(definition)).toBe('CREATE INDEX ON public.orders (customer_id, placed_at DESC)');
  expect(
    indexSql(
      { ...definition, schema: 'Sales', method: 'gin', keys: ['doc jsonb_path_ops'], predicate: 'live' },
      { name: 'x', concurrently: true },
    ),
  ).toBe('CREATE INDEX CONCURRENTLY x ON "Sales".orders USING gin (doc jsonb_path_ops) WHERE live');
  expect(indexSql({ ...definition, include: ['total', 'Big'] })).toContain('(customer_id, placed_at DESC) INCLUDE (total, "Big")');
  expect(qualifiedName('a b', 'user')).toBe('"a b"."user"');
});
