import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { cacheCounters, countersKnowledge, countersSql } from '../../test/counters.ts';
import { hostileTraffic, writerThrough } from '../../test/hostile-traffic.ts';
import { startTarget, type Target } from '../../test/target.ts';
import type { Policy } from '../protocol.ts';
import { copyResult, parametersKey } from './cache-statements/kept-result.ts';
import type { CacheKnowledge } from './invalidation/knowledge.ts';

const thorough = process.env['ANNEAL_THOROUGH'] !== undefined;

const cacheThem = (knowledge: CacheKnowledge, shadowShare = 0.02): Policy => ({
  kind: 'cache-statements',
  templates: knowledge.statements.map(({ template }) => template),
  knowledge,
  maximumBytes: 8_000_000,
  shadowShare,
});

async function figuresOf(target: Target) {
  const { policies, problems } = await target.flush();
  if (policies.length === 0) throw new Error(`the policy has ended: ${problems.join('; ')}`);
  return Object.fromEntries(policies.map(({ id, figures }) => [id, figures]));
}

test.each([
  ['alone', 'statements'],
  ['below kept answers', 'responses'],
])('results kept %s are never stale under hostile traffic', async (form, serving) => {
  await using database = await createTestDatabase(countersSql);
  await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
  const knowledge = countersKnowledge(database.url);
  const policies = { statements: cacheThem(knowledge), ...(serving === 'responses' ? { responses: cacheCounters(knowledge) } : {}) };
  for (const [policyId, policy] of Object.entries(policies)) {
    expect(await target.ask({ type: 'apply-policy', policyId, policy })).toMatchObject({ type: 'done' });
  }
  const ports = [target.port];
  const found = await hostileTraffic({
    ports,
    counters: 5,
    reads: thorough ? 16_000 : 1_500,
    readers: 8,
    writers: [writerThrough(ports), writerThrough(ports), writerThrough(ports)],
    path: (counter) => `/counters/${counter + 1}`,
    truth: async (counter) => {
      const { rows } = await database.client.query<{ value: number }>('SELECT value FROM counters WHERE id = $1', [counter + 1]);
      return rows[0]!.value;
    },
  });
  const figures = await figuresOf(target);
  if (thorough) process.stderr.write(`statements ${form}: ${JSON.stringify({ ...found, ...figures })}\n`);
  expect(found).toMatchObject({ notReadYourWrites: 0, newThenOld: 0, staleAtRest: 0 });
  expect(figures['statements']!['hits']).toBeGreaterThan(0);
  expect(figures[serving]!['hits']! / found.reads).toBeGreaterThan(0.3);
});

test('a difference that no write explains ends the policy: the table was written where nobody looks', async () => {
  await using database = await createTestDatabase(countersSql);
  await using target = await startTarget('counters.cjs', { DATABASE_URL: database.url });
  const knowledge = countersKnowledge(database.url);
  await target.ask({ type: 'apply-policy', policyId: 'statements', policy: cacheThem(knowledge, 1) });
  await target.get('/counters/1');
  await database.client.query('UPDATE counters SET value = 5 WHERE id = 1');
  expect(await (await target.get('/counters/1')).json()).toMatchObject({ value: 5 });
  const { policies, problems } = await target.flush();
  expect(policies).toEqual([]);
  expect(problems.join()).toContain('a kept result was not what the database says now');
});

describe('a result', () => {
  test('is each receiver’s own', () => {
    const result = {
      command: 'SELECT',
      rows: [{ at: new Date(5), bytes: Buffer.from('a'), list: [{ deep: [1] }], none: null }],
      fields: [{ name: 'at' }],
    };
    const copy = copyResult(result)!;
    expect(copy).toEqual(result);
    copy.rows[0]!.list[0]!.deep.push(2);
    copy.rows[0]!.at.setTime(9);
    copy.rows[0]!.bytes[0] = 0;
    expect(result.rows[0]).toMatchObject({ at: new Date(5), bytes: Buffer.from('a'), list: [{ deep: [1] }] });
  });

  test('with values of a class of the application’s own is not kept', () => {
    expect(copyResult({ rows: [{ price: new Map() }], fields: [] })).toBeNull();
  });

  test('is told apart by the kinds of its parameters', () => {
    const keys = [[1], ['1'], [true], [null], [1n], [new Date(1)], ['1', '2'], ['1\0s1:2'], []].map(parametersKey);
    expect(new Set(keys).size).toBe(keys.length);
    expect(parametersKey([{ a: 1 }])).toBeNull();
  });
});
