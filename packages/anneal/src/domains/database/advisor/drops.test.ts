import { describe, expect, test } from 'vitest';
import type { DatabaseSnapshot, SnapshotIndex } from '../../../ports/database-snapshot.ts';
import { dropProposals, whyNoneIsUnused } from './drops.ts';

function index(name: string, definition: string, rest: Partial<SnapshotIndex> = {}): SnapshotIndex {
  return {
    schema: 'public',
    name,
    table: 'tickets',
    definition: `CREATE INDEX ${name} ON public.tickets USING ${definition}`,
    constraint: null,
    unique: false,
    valid: true,
    replicaIdentity: false,
    pages: 40,
    filePages: 40,
    rows: 9000,
    expressionStatistics: [null],
    scans: 0,
    ...rest,
  };
}

function snapshot(indexes: readonly SnapshotIndex[], countedSince?: string): DatabaseSnapshot {
  return {
    formatVersion: 1,
    takenAt: '2026-06-30T00:00:00Z',
    server: { version: '18.1', versionNumber: 180001 },
    collation: 'C',
    values: 'kept',
    settings: {},
    extensions: [],
    prerequisites: [],
    tables: [],
    indexes,
    foreignKeys: [],
    views: [],
    extendedStatistics: [],
    statements: [],
    ...(countedSince === undefined ? {} : { countedSince }),
    gaps: [],
  };
}

async function dropped(from: DatabaseSnapshot, loss = 0): Promise<readonly string[]> {
  const proposals = await dropProposals(from, { used: new Set(['public.read']), lossWithout: async () => loss, leastLoss: 1 });
  return proposals.map(({ name, why }) => `${name} ${why}`);
}

describe('an index nobody reads', () => {
  const indexes = [index('idle', 'btree (seat)'), index('read', 'btree (holder)'), index('seldom', 'btree (price)', { scans: 2 })];

  test('is dropped after 35 days of counting, and no others with it', async () => {
    const long = snapshot(indexes, '2026-05-20T00:00:00Z');
    expect(await dropped(long)).toEqual(['idle unused']);
    expect(whyNoneIsUnused(long)).toBeNull();
  });

  test('is not called unused after a day, nor where nobody knows since when scans are counted', async () => {
    for (const since of ['2026-06-29T00:00:00Z', undefined]) {
      const short = snapshot(indexes, since);
      expect(await dropped(short)).toEqual([]);
      expect(whyNoneIsUnused(short)).toContain('35 days');
    }
  });
});

test('twins, prefixes and leftovers need no window; what a constraint or a replica rests on stays', async () => {
  const indexes = [
    index('one', 'btree (seat)', { scans: 5 }),
    index('two', 'btree (seat)'),
    index('long', 'btree (holder, price)', { scans: 9 }),
    index('short', 'btree (holder)', { scans: 3 }),
    index('broken', 'btree (day)', { valid: false }),
    index('key', 'btree (day)', { constraint: 'unique', unique: true }),
    index('replica', 'btree (gate)', { replicaIdentity: true }),
  ];
  expect(await dropped(snapshot(indexes))).toEqual(['broken invalid', 'two duplicate', 'short redundant-prefix']);
  // Reading the short one is worth something here.
  expect(await dropped(snapshot(indexes), 5)).not.toContain('short redundant-prefix');
});
