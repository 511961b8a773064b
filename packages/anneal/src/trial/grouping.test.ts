import { expect, test } from 'vitest';
import { shareable } from './grouping.ts';

const change = (name: string, scope: 'database' | 'process', statementIds: readonly string[], writtenTables: readonly string[]) => ({
  name,
  scope,
  touched: { statementIds, routes: [], writtenTables },
});
const namesOf = (groups: readonly (readonly { readonly name: string }[])[]) => groups.map((group) => group.map(({ name }) => name));

test('indexes for different statements of different tables share one trial', () => {
  const orders = change('orders', 'database', ['s1'], ['public.orders']);
  const invoices = change('invoices', 'database', ['s2'], ['public.invoices']);
  expect(namesOf(shareable([orders, invoices]))).toEqual([['orders', 'invoices']]);
});

test('two indexes on one written table are tried one after the other', () => {
  const byDate = change('by date', 'database', ['s1'], ['public.orders']);
  const byCustomer = change('by customer', 'database', ['s2'], ['public.orders']);
  expect(namesOf(shareable([byDate, byCustomer]))).toEqual([['by date'], ['by customer']]);
});

test('two indexes for one statement are tried one after the other', () => {
  const left = change('left', 'database', ['join'], []);
  const right = change('right', 'database', ['join'], []);
  expect(namesOf(shareable([left, right]))).toEqual([['left'], ['right']]);
});

test('a policy is always alone, and after the changes to the database', () => {
  const pool = change('pool', 'process', [], []);
  const index = change('index', 'database', ['s1'], []);
  expect(namesOf(shareable([pool, index]))).toEqual([['index'], ['pool']]);
  expect(namesOf(shareable([index, pool]))).toEqual([['index'], ['pool']]);
});
