import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge } from '../fixtures/judged-health.ts';
import { defaultMemory } from './default-memory.ts';

const machine =
  (memoryGb: number | null, databaseGb: number, source = 'default') =>
  ({ 'postgres.configuration': settings, 'postgres.server': server }: Observations): Partial<Observations> => ({
    'postgres.configuration': {
      ...settings,
      shared_buffers: {
        shown: source === 'default' ? '128MB' : '4GB',
        value: (source === 'default' ? 0.125 : 4) * 1024 ** 3,
        source: 'configuration file',
      },
      effective_cache_size: { shown: '4GB', value: 4 * 1024 ** 3, source },
    },
    'postgres.server': {
      ...server,
      memoryBytes: memoryGb === null ? null : memoryGb * 1024 ** 3,
      databaseSizeBytes: databaseGb * 1024 ** 3,
    },
  });

test('defaults are questioned on a large machine with much data', async () => {
  await using database = await createTestDatabase();
  const { findings } = await judge(defaultMemory, database.url, machine(64, 100));
  expect(findings.map(({ subject, level, proposal }) => [subject.key, level, proposal.code])).toEqual([
    ['setting shared_buffers', 'note', "ALTER SYSTEM SET shared_buffers = '16384MB'; -- takes a restart"],
    ['setting effective_cache_size', 'note', "ALTER SYSTEM SET effective_cache_size = '32768MB';\nSELECT pg_reload_conf();"],
  ]);
});

test.each([
  ['a database smaller than both', machine(64, 0.1)],
  ['a server elsewhere', machine(null, 100)],
  ['settings somebody made', machine(64, 100, 'configuration file')],
])('%s is silent', async (_words, change) => {
  await using database = await createTestDatabase();
  expect((await judge(defaultMemory, database.url, change)).findings).toEqual([]);
});

test('the memory of this machine is known, because the server runs on it', async () => {
  await using database = await createTestDatabase();
  const memory = await new Promise<number | null>((resolve, reject) => {
    judge(defaultMemory, database.url, ({ 'postgres.server': server }) => (resolve(server.memoryBytes), {})).catch(reject);
  });
  expect(memory).toBeGreaterThan(100e6);
});
