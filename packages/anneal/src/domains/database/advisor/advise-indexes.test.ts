import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../../../test/support/test-database.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createShadowPlanner } from '../../../adapters/shadow-planner.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import type { DatabaseSnapshot } from '../../../ports/database-snapshot.ts';
import type { ShadowPlanner } from '../../../ports/planner.ts';
import { flushCounters } from '../fixtures/judged-health.ts';
import { indexSizes } from '../index-size.ts';
import { takeSnapshot } from '../snapshot/take-snapshot.ts';
import { adviseIndexes, type AdviceSession } from './advise-indexes.ts';
import type { AdviceOptions } from './advisor.ts';

/** A shop with indexes that only cost, and statements that have none. */
const schemaSql = `
  CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, region int NOT NULL);
  CREATE TABLE orders (
    id bigint PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, placed_at timestamptz NOT NULL, total int NOT NULL,
    seen_at timestamptz NOT NULL, note text NOT NULL, reference text NOT NULL UNIQUE) WITH (fillfactor = 70);
  INSERT INTO customers SELECT n, 'Person' || n || '@example.org', n % 40 FROM generate_series(1, 5000) n;
  INSERT INTO orders
    SELECT n, n % 500, (ARRAY['open', 'paid', 'sent', 'done'])[1 + (n % 97 > 2)::int + (n % 3)], timestamptz '2026-01-01Z' + n * interval '1 minute',
           n % 1000, timestamptz '2026-01-01Z' + (n::bigint * 7919 % 100000) * interval '1 second', repeat('x', 60), 'R' || n
      FROM generate_series(1, 60000) n;
  CREATE INDEX orders_total ON orders (total);
  CREATE INDEX orders_total_again ON orders (total);
  CREATE INDEX orders_total_placed ON orders (total, placed_at);
  CREATE INDEX orders_note ON orders (note);
  CREATE UNIQUE INDEX orders_id_total ON orders (id, total);
  ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_id_total`;

const workload = [
  {
    id: 'page',
    text: 'SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed_at DESC LIMIT 20',
    calls: 5_000,
    rows: 60_000,
    samples: [[17], [400]],
  },
  { id: 'by email', text: 'SELECT id FROM customers WHERE lower(email) = $1', calls: 800, rows: 800, samples: [['person77@example.org']] },
  {
    id: 'region',
    text: 'SELECT count(*) FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.region = $1',
    calls: 40,
    rows: 40,
    samples: [[3]],
  },
  { id: 'touch', text: 'UPDATE orders SET seen_at = $2 WHERE id = $1', calls: 50_000, rows: 50_000, samples: [[5, '2026-03-01Z']] },
  { id: 'unseen', text: 'SELECT id FROM orders WHERE seen_at < $1', calls: 1, rows: 3, samples: [['2026-01-01 00:00:03Z']] },
  {
    id: 'by total',
    text: 'SELECT id FROM orders WHERE total = $1 AND placed_at > $2',
    calls: 100,
    rows: 500,
    samples: [[5, '2026-02-01Z']],
  },
  { id: 'broken', text: 'SELECT nothing FROM orders WHERE nowhere = 1', calls: 3, rows: 0, samples: [[]] },
];

let database: TestDatabase;
let snapshot: DatabaseSnapshot;
/** Of the snapshot as it is; a planner's start costs more than what it is asked. */
let planner: ShadowPlanner;
let usual: AdviceSession;
beforeAll(async () => {
  database = await createTestDatabase();
  for (const part of schemaSql.split(';\n')) await database.client.query(part);
  // Vacuumed alone, because VACUUM runs in no transaction.
  await database.client.query('VACUUM ANALYZE');
  for (let id = 1; id <= 200; id += 1) await database.client.query('UPDATE orders SET seen_at = now() WHERE id = $1', [id * 3]);
  await flushCounters(database.client);
  await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
  const taken = await takeSnapshot(sql, { values: 'kept', sqlParser: await createSqlParser(), takenAt: '2026-04-01T00:00:00.000Z' });
  // Counted for three months, so that what nobody scanned in that time may be called unused.
  const settings = { ...taken.settings, random_page_cost: '1.1' };
  snapshot = {
    ...taken,
    settings,
    countedSince: '2026-01-01T00:00:00Z',
    statements: workload.map((statement) => ({ ...statement, totalMs: 0 })),
  };
  planner = await createShadowPlanner(snapshot, { sizeOf: indexSizes(snapshot) });
  usual = await adviceFrom(planner, { width: 2 });
});
afterAll(async () => {
  await planner[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function adviceFrom(asked: ShadowPlanner, options: AdviceOptions, given = snapshot): Promise<AdviceSession> {
  const parser = await createSqlParser();
  return adviseIndexes({ snapshot: given, planner: asked, parser, options, signal: new AbortController().signal });
}

async function adviceOn(given: DatabaseSnapshot, options: AdviceOptions): Promise<AdviceSession['advice']> {
  await using own = await createShadowPlanner(given, { sizeOf: indexSizes(given) });
  return (await adviceFrom(own, options, given)).advice;
}

const keysOf = ({ proposals }: AdviceSession['advice']) =>
  proposals.map(({ definition }) => `${definition.table}(${definition.keys.join(', ')})`);

describe('advice on a real database', () => {
  test('proposes what pays, each with its reason, its price and the statements that gain', () => {
    const { advice } = usual;
    // A B-tree is read in either direction, so the planner has no reason to want DESC.
    expect(keysOf(advice)).toContain('orders(customer_id, placed_at)');
    expect(keysOf(advice).some((name) => name.startsWith('customers(lower(email)'))).toBe(true);
    const [page] = advice.proposals;
    expect(page).toMatchObject({ sql: expect.stringContaining('CREATE INDEX CONCURRENTLY') });
    expect(page!.effects[0]).toMatchObject({ statementId: 'page', calls: 5_000 });
    expect(page!.effects[0]!.costWith).toBeLessThan(page!.effects[0]!.costWithout / 10);
    expect(page!.reason).toContain('customer_id is compared for equality');
    expect(page!.reason).toContain('then placed_at is sorted by');
    expect(page!.sizeBytes).toBeGreaterThan(500_000);
    expect(page!.build!.buildMs).toBeGreaterThan(0);
    expect(advice.costAfter + advice.upkeep).toBeLessThan(advice.costBefore / 5);
    expect(advice.gaps.join()).toContain('broken cannot be planned: column "nothing" does not exist');
  });

  test('an index that would end heap-only updates is refused with the number, and taken where nothing is written', async () => {
    expect(keysOf(usual.advice).some((name) => name.includes('seen_at'))).toBe(false);
    const [rejection] = await usual.whyNot('orders(seen_at)');
    expect(rejection).toMatchObject({ verdict: 'upkeep-exceeds-gain' });
    expect(rejection!.upkeep!).toBeGreaterThan(rejection!.gainAlone!);
    const still = { ...snapshot, statements: snapshot.statements.filter(({ id }) => id !== 'touch') };
    const unwritten = {
      ...still,
      tables: still.tables.map((table) => ({ ...table, inserts: 0, updates: 0 })),
      statements: still.statements.map((statement) => (statement.id === 'unseen' ? { ...statement, calls: 1_000 } : statement)),
    };
    expect(keysOf(await adviceOn(unwritten, { width: 2 }))).toContain('orders(seen_at)');
  });

  test('names the number that spoke against each of the others', async () => {
    const session = await adviceFrom(planner, { width: 2, budgetBytes: 2_500_000 });
    const { advice } = session;
    expect(advice.sizeBytes).toBeLessThanOrEqual(2_500_000);
    const verdict = async (request: string) => (await session.whyNot(request)).map((rejection) => rejection.verdict);
    expect(await verdict('orders(customer_id, placed_at)')).toEqual(['proposed']);
    expect(await verdict('orders(total)')).toEqual(['exists']);
    expect(await verdict(`orders(date_trunc('day', placed_at))`)).toEqual(['refused']);
    expect(await verdict('orders(note)')).toEqual(['exists']);
    expect(await verdict('orders(status)')).toEqual(['nothing-to-serve']);
    expect(await verdict('orders(placed_at)')).toEqual(['served-by-the-set']);
    expect(await verdict('customers(email)')).toEqual(['not-used']);
    expect(await verdict('orders(customer_id, placed_at, note)')).toEqual(['over-budget']);
    expect(await verdict('(customer_id)')).toEqual(['below-threshold']);
    expect(await verdict('nonsense')).toEqual([]);
    expect(await verdict('"; DROP TABLE orders; --(a)')).toEqual([]);
  });

  test('drops duplicates, prefixes and what nobody scans; never what backs a constraint or identifies rows', () => {
    const { advice } = usual;
    const found = Object.fromEntries(advice.drops.map(({ name, why }) => [name, why]));
    expect(found).toMatchObject({ orders_note: 'unused' });
    const totals = ['orders_total', 'orders_total_again'].map((name) => found[name]);
    expect(new Set(totals)).toEqual(new Set(['duplicate', 'redundant-prefix']));
    expect(Object.keys(found).filter((name) => /pkey|key$|id_total|total_placed/u.test(name))).toEqual([]);
    expect(advice.drops.find(({ name }) => name === 'orders_note')!.evidence.join()).toContain('0 scans');
  });

  test('answers for solid-state storage too, where the server prices pages like a rotating disk', async () => {
    const rotating = { ...snapshot, settings: { ...snapshot.settings, random_page_cost: '4' } };
    const { otherSettings } = await adviceOn(rotating, { width: 1, plans: 300 });
    expect(otherSettings).toMatchObject([{ settings: { random_page_cost: '1.1' } }]);
    expect((await adviceFrom(planner, { width: 1, plans: 300 })).advice.otherSettings).toEqual([]);
  });

  test('measured time decides what a statement counts', async () => {
    const timed = {
      ...snapshot,
      statements: snapshot.statements
        .filter(({ id }) => id !== 'broken')
        .map((statement) => ({ ...statement, totalMs: statement.id === 'by email' ? 90_000 : 10 })),
    };
    const advice = await adviceOn(timed, { width: 2 });
    expect(advice.unit).toBe('ms');
    expect(advice.costBefore).toBeGreaterThanOrEqual(90_000 - 1e-6);
    expect(advice.costBefore).toBeLessThanOrEqual(90_000 + 10 * timed.statements.length);
    expect(advice.proposals[0]!.definition.keys[0]).toBe('lower(email)');
  });
});
