import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodes } from './errors.ts';
import { advise, type AdviceReport, type DatabaseSnapshot } from './index.ts';

const statistics = {
  inherited: false,
  nullShare: 0,
  averageWidthBytes: 8,
  correlation: 0,
  mostCommonValues: null,
  mostCommonFrequencies: null,
  mostCommonElements: null,
  mostCommonElementFrequencies: null,
  elementCountHistogram: null,
};

function column(name: string, distinct: number) {
  const histogramBounds = `{${Array.from({ length: 101 }, (_, at) => at * 10_000).join(',')}}`;
  return {
    name,
    type: 'bigint',
    notNull: true,
    collation: null,
    expression: null,
    generated: null,
    fixedLengthBytes: 8,
    alignment: 'd' as const,
    statistics: { ...statistics, distinct, histogramBounds },
  };
}

/** A terabyte of tickets that exists nowhere. */
const snapshot: DatabaseSnapshot = {
  formatVersion: 1,
  takenAt: '2026-06-30T00:00:00Z',
  server: { version: '16.4', versionNumber: 160_004 },
  collation: 'C',
  values: 'kept',
  settings: { random_page_cost: '1.1' },
  extensions: [],
  prerequisites: [],
  tables: [
    {
      schema: 'public',
      name: 'tickets',
      kind: 'table',
      parent: null,
      partitionKey: null,
      columns: [column('id', -1), column('holder', 1_000_000), column('event', 20_000)],
      pages: 130_000_000,
      rows: 14_000_000_000,
      allVisiblePages: 0,
      filePages: 130_000_000,
      options: [],
      inserts: 0,
      updates: 0,
      hotUpdates: 0,
      deletes: 0,
    },
  ],
  indexes: [],
  foreignKeys: [],
  views: [],
  extendedStatistics: [],
  statements: [
    { id: 'held', text: 'SELECT id FROM tickets WHERE holder = $1', calls: 100, totalMs: 90_000, rows: 200, samples: [] },
    {
      id: 'seats',
      text: 'SELECT count(*) FROM tickets WHERE event = $1 AND holder = $2',
      calls: 10,
      totalMs: 9_000,
      rows: 10,
      samples: [],
    },
  ],
  gaps: [],
};

describe('advice from a snapshot alone', () => {
  test('a terabyte is planned without a row of it, and a rejection is a number', async () => {
    const report = await advise(snapshot, { budgetBytes: 1e12, width: 2, plans: 200, whyNot: ['tickets(event)', '(holder, event)'] });
    expect(report).toMatchObject({ engine: 'shadow', unit: 'ms', statements: { planned: 2, writes: 0 } });
    expect(report.proposals.map(({ definition }) => definition.keys[0])).toContain('holder');
    expect(report.costAfter).toBeLessThan(report.costBefore / 100);
    expect(report.rejections.map(({ definition }) => definition.keys.join())).toEqual(['event', 'holder,event']);
    expect(report.rejections.every(({ sentence }) => /\d|proposed/u.test(sentence))).toBe(true);
    expect(report.gaps.join()).toContain('no captured values');
  });

  test('a file whose texts are as the server told them is planned too', async () => {
    const text = 'SELECT id FROM tickets WHERE holder = $1 AND event > pg_catalog.date_part($2, interval $3 day)+extract($4 FROM date$5)';
    const told = { ...snapshot, statements: [{ ...snapshot.statements[0]!, text }] };
    const { proposals, gaps } = await advise(told, { budgetBytes: 1e12, width: 2, plans: 200 });
    expect(proposals.map(({ definition }) => definition.keys[0])).toEqual(['holder']);
    expect(gaps.filter((gap) => /parse|plann/u.test(gap))).toEqual([]);
  });

  test('within a budget that fits nothing nothing is proposed, and the reason is the budget', async () => {
    const report = await advise(snapshot, { budgetBytes: 1e6, plans: 100, whyNot: ['tickets(holder)'] });
    expect(report.proposals).toEqual([]);
    expect(report.rejections).toMatchObject([{ verdict: 'over-budget' }]);
  });

  test('a snapshot without statements, and an index that no table could have, are refused with what to do', async () => {
    await expect(advise({ ...snapshot, statements: [] })).rejects.toMatchObject({ code: 'ANNEAL_SNAPSHOT_EMPTY' });
    await expect(advise(snapshot, { plans: 10, whyNot: ['tickets(a'] })).rejects.toMatchObject({ code: 'ANNEAL_USAGE' });
  });
});

describe('the command', () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'anneal-advise-'));
    file = join(folder, 'tickets.json');
    await writeFile(file, JSON.stringify(snapshot));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const run = promisify(execFile);
  const anneal = (...options: readonly string[]) =>
    run(process.execPath, ['--conditions=@anneal/source', join(import.meta.dirname, 'cli/main.ts'), 'advise', ...options]);

  test('prints what a person needs, or one JSON document', async () => {
    const { stdout } = await anneal(file, '--budget', '1TB', '--width', '1', '--quiet', '--why-not', 'tickets(event)');
    expect(stdout).toContain('CREATE INDEX CONCURRENTLY');
    expect(stdout).toContain('why not tickets(event)?');
    const { stdout: json } = await anneal(file, '--budget', '1TB', '--width', '1', '--quiet', '--json');
    expect((JSON.parse(json) as AdviceReport).proposals.length).toBeGreaterThan(0);
  });

  test('bad options and bad files end with one sentence and the code of a usage error', async () => {
    await writeFile(join(folder, 'other.json'), '{"formatVersion": 1}');
    for (const options of [
      [file, '--budget', 'much'],
      [file, '--width', '0'],
      [join(folder, 'absent.json')],
      [join(folder, 'other.json')],
    ]) {
      await expect(anneal(...options), options.join(' ')).rejects.toMatchObject({
        code: exitCodes.usage,
        stdout: '',
        stderr: expect.stringMatching(/^ANNEAL_\w+: .*\n {2}hint: .*\n$/u),
      });
    }
  });
});
