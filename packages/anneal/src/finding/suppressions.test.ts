import { expect, test } from 'vitest';
import type { Finding } from './finding.ts';
import { readSuppressions } from './suppressions.ts';

const source = [
  'async function list() {',
  '  // anneal-ignore api/unbounded-result -- the table holds the 12 months',
  "  return pool.query('SELECT * FROM months');",
  '}',
  "const all = pool.query('SELECT * FROM days'); // anneal-ignore api/unbounded-result",
].join('\n');

const finding = (ruleId: Finding['ruleId'], line: number) =>
  ({ ruleId, fingerprint: `${ruleId} at ${line}`, locations: [{ file: 'src/list.js', line, function: 'list' }] }) as unknown as Finding;

const suppressionsOf = (findings: readonly Finding[]) =>
  readSuppressions(findings, '/app', {
    read: async (path) => (path === '/app/src/list.js' ? source : Promise.reject(new Error('missing'))),
  });

test('a comment above the line silences the rule it names, with its reason', async () => {
  const suppressed = await suppressionsOf([finding('api/unbounded-result', 3)]);
  expect([...suppressed.values()]).toEqual(['suppressed at src/list.js:3: the table holds the 12 months']);
});

test('another rule at the same line still speaks', async () => {
  expect((await suppressionsOf([finding('database/wide-rows', 3)])).size).toBe(0);
});

test('a comment without a reason does not count', async () => {
  expect((await suppressionsOf([finding('api/unbounded-result', 5)])).size).toBe(0);
});

test('a source that cannot be read suppresses nothing', async () => {
  const elsewhere = { ...finding('api/unbounded-result', 3), locations: [{ file: 'gone.js', line: 3, function: null }] };
  expect((await suppressionsOf([elsewhere])).size).toBe(0);
});
