import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anneal } from '../../../../test/support/anneal-cli.ts';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/test-database.ts';
import type { HealthReport } from '../index.ts';

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase(
    "CREATE TABLE tickets (id serial PRIMARY KEY); SELECT setval('tickets_id_seq', 2000000000); CREATE TABLE notes (text text);",
  );
  folder = await mkdtemp(join(tmpdir(), 'anneal-check-'));
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const check = (args: readonly string[], url: string | null = database.url) =>
  anneal(['check', ...args], { cwd: folder, env: { DATABASE_URL: url } });

describe('anneal check database', () => {
  test('tells a person what to do and ends with 1 when an error stands', async () => {
    const { exitCode, stdout, stderr } = await check(['database', '--only', 'sequence-exhaustion']);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('error: public.tickets_id_seq, which feeds public.tickets.id (integer), has given');
    expect(stdout).toContain('      ALTER TABLE public.tickets ALTER COLUMN id TYPE bigint;');
    expect(stdout).toContain('To take it back:');
    expect(stderr).toContain('Reading');
  });

  test('ends with 0 when none does, whatever warns', async () => {
    const { exitCode, stdout } = await check(['database', '--only', 'missing-primary-key', '--quiet']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('1 warning.\n');
  });

  test('prints one JSON document, without a password', async () => {
    const { stdout } = await check(['database', '--json', '--only', 'database/sequence-exhaustion', '--only', 'missing-primary-key']);
    const report = JSON.parse(stdout) as HealthReport;
    expect(report.schemaVersion).toBe('1.0.0');
    expect(report.findings.map(({ ruleId }) => ruleId)).toEqual(['database/sequence-exhaustion', 'database/missing-primary-key']);
    expect(stdout).not.toContain(new URL(database.url).password);
  });

  test('takes the database from the configuration, and from the command line before that', async () => {
    const path = join(folder, 'anneal.config.json');
    await writeFile(path, JSON.stringify({ target: { start: 'node app.js' }, workload: { urls: ['/'] }, database: { url: database.url } }));
    expect((await check(['database', '--only', 'missing-primary-key'], null)).stdout).toContain('public.notes');
    const elsewhere = await check(['database', '--only', 'missing-primary-key', '--database-url', 'mongodb://somewhere/x'], null);
    await rm(path);
    expect(elsewhere).toMatchObject({ exitCode: 4, stdout: '', stderr: expect.stringContaining('MongoDB') });
  });

  test('says what is missing: a database, a subject it knows, a check it has', async () => {
    expect(await check(['database'], null)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('set DATABASE_URL') });
    expect(await check(['weather'])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('database') });
    expect(await check(['database', '--only', 'nonsense'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('there is no check nonsense'),
    });
  });
});
