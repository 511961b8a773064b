import { describe, expect, test } from 'vitest';
import type { IndexDefinition, PlanNode, StatementPlan } from '../../../ports/planner.ts';
import { definitionOf } from './existing-indexes.ts';
import { planRisks } from './plan-risks.ts';
import { mergeOf, prefixesOf } from './related-indexes.ts';
import { parseIndexRequest } from './why-not.ts';

function index(keys: readonly string[], rest: Partial<IndexDefinition> = {}): IndexDefinition {
  return { schema: 'public', table: 'orders', keys, method: 'btree', include: [], predicate: null, ...rest };
}

test('an existing index is read from the definition PostgreSQL gives of it', () => {
  const read = (definition: string) => definitionOf({ schema: 'public', table: 'orders', definition });
  expect(read('CREATE INDEX i ON public.orders USING btree (a, lower(b) DESC)')).toEqual(index(['a', 'lower(b) DESC']));
  expect(
    read(
      `CREATE UNIQUE INDEX i ON public.orders USING btree (a) INCLUDE (b, "C d") WITH (fillfactor='70') WHERE ((state = ') x'::text) AND (n > 1))`,
    ),
  ).toEqual(index(['a'], { include: ['b', 'C d'], predicate: `(state = ') x'::text) AND (n > 1)` }));
  expect(read('CREATE INDEX i ON public.orders USING gin (labels jsonb_path_ops)')).toEqual(
    index(['labels jsonb_path_ops'], { method: 'gin' }),
  );
  expect(read('CREATE INDEX i ON public.orders USING spgist (place)')).toBeNull();
});

describe('indexes made of others', () => {
  test('a merge keeps the order of the first and lets the columns of the second follow', () => {
    expect(mergeOf(index(['a', 'b']), index(['b', 'c']), 3)).toEqual(index(['a', 'b', 'c']));
    expect(mergeOf(index(['a'], { include: ['x'] }), index(['x']), 3)).toEqual(index(['a', 'x']));
    expect(mergeOf(index(['a'], { include: ['x'] }), index(['a'], { include: ['y'] }), 3)).toEqual(index(['a'], { include: ['x', 'y'] }));
  });

  test('there is no merge that is nothing new, too wide, over other rows, or of another method', () => {
    expect(mergeOf(index(['a', 'b']), index(['a']), 3)).toBeNull();
    expect(mergeOf(index(['a', 'b']), index(['c', 'd']), 3)).toBeNull();
    expect(mergeOf(index(['a']), index(['b'], { predicate: 'c = 1' }), 3)).toBeNull();
    expect(mergeOf(index(['a']), index(['b'], { method: 'gin' }), 3)).toBeNull();
    expect(mergeOf(index(['a']), index(['b'], { table: 'lines' }), 3)).toBeNull();
  });

  test('prefixes are shorter, and lose the payload', () => {
    expect(prefixesOf(index(['a', 'b', 'c']))).toEqual([index(['a']), index(['a', 'b'])]);
    expect(prefixesOf(index(['a'], { include: ['x'] }))).toEqual([index(['a'])]);
  });
});

describe('plans that costs are known to misjudge', () => {
  const node = (type: string, rest: Partial<PlanNode> = {}): PlanNode => ({
    'Node Type': type,
    'Startup Cost': 0,
    'Total Cost': 1,
    'Plan Rows': 1,
    'Plan Width': 8,
    ...rest,
  });
  const plan = (root: PlanNode): StatementPlan => ({ root, totalCost: 1, generic: false });
  const outer = (rows: number) => node('Seq Scan', { 'Relation Name': 'customers', 'Plan Rows': rows });
  const lookUp = node('Index Scan', { 'Relation Name': 'orders', 'Index Cond': '(customer_id = c.id)' });
  const hashed = plan(
    node('Hash Join', { Plans: [node('Seq Scan', { 'Relation Name': 'orders' }), node('Hash', { Plans: [outer(9_000)] })] }),
  );
  const looped = (rows: number) => plan(node('Nested Loop', { Plans: [outer(rows), lookUp] }));

  test('a hash join that becomes more look-ups than the table has pages needs a trial, and says how many', () => {
    expect(planRisks(hashed, looped(9_000), 'orders', 1_000)).toEqual([
      'orders would be looked up 9,000 times through an index, more often than it has pages (1,000); before it was part of a hash join',
    ]);
    const nested = plan(node('Nested Loop', { Plans: [outer(50), node('Nested Loop', { Plans: [outer(50), lookUp] })] }));
    expect(planRisks(hashed, nested, 'orders', 1_000)).toHaveLength(1);
  });

  test('few look-ups do not, nor those that were there before, nor those of another table', () => {
    expect(planRisks(hashed, looped(900), 'orders', 1_000)).toEqual([]);
    expect(planRisks(looped(8_000), looped(9_000), 'orders', 1_000)).toEqual([]);
    expect(planRisks(hashed, looped(9_000), 'lines', 1_000)).toEqual([]);
  });
});

test('an index is asked about with or without its table', () => {
  expect(parseIndexRequest('(a, b DESC)')).toEqual({ schema: null, table: null, keys: ['a', 'b DESC'] });
  expect(parseIndexRequest(' "My shop".orders (lower(a), b) ')).toEqual({ schema: 'My shop', table: 'orders', keys: ['lower(a)', 'b'] });
  expect(parseIndexRequest('shop."Orders"(lower(a), b)')).toEqual({ schema: 'shop', table: 'Orders', keys: ['lower(a)', 'b'] });
  for (const text of ['', 'orders', 'orders()', 'orders(a,)', '(((']) expect(parseIndexRequest(text)).toBeNull();
});
