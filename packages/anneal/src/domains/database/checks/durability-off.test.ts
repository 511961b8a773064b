import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { judge } from '../fixtures/judged-health.ts';
import { durabilityOff } from './durability-off.ts';

const withSettings =
  (shown: Readonly<Record<string, string>>) =>
  ({ 'postgres.configuration': settings }: Observations): Partial<Observations> => ({
    'postgres.configuration': {
      ...settings,
      ...Object.fromEntries(Object.entries(shown).map(([name, value]) => [name, { ...settings[name]!, shown: value }])),
    },
  });

test('a server that does not sync is an error', async () => {
  await using database = await createTestDatabase();
  const { findings } = await judge(durabilityOff, database.url, withSettings({ fsync: 'off', full_page_writes: 'off' }));
  expect(findings.map(({ subject, level }) => [subject.key, level])).toEqual([
    ['setting fsync', 'error'],
    ['setting full_page_writes', 'error'],
  ]);
});

test('one that does is silent', async () => {
  await using database = await createTestDatabase();
  expect((await judge(durabilityOff, database.url, withSettings({ fsync: 'on', full_page_writes: 'on' }))).reasons).toEqual([
    'fsync and full_page_writes are on',
  ]);
});
