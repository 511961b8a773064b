import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import type { Observations } from '../../../measurement/observations.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { judge } from '../fixtures/judged-health.ts';
import { missingVectorIndex } from './missing-vector-index.ts';

const parser = await createSqlParser();

/** The server of the tests has no pgvector: the column and the statement are put in as a database with it would show them. */
const searched =
  (text: string, meanMs: number) =>
  (_read: Observations): Partial<Observations> => ({
    'postgres.vector-columns': [{ schema: 'public', table: 'pictures', column: 'embedding', type: 'vector' }],
    'postgres.statement-history': [
      {
        id: text,
        text,
        kind: 'select',
        tables: ['pictures'],
        shape: parser.shape(text),
        calls: 100,
        totalMs: 100 * meanMs,
        rows: 1000,
        timeShare: 0.3,
        blocks: 1,
        temporaryBlocksWritten: 0,
        temporaryBlocksRead: 0,
        jitMs: null,
      },
    ],
  });

const nearest = 'SELECT id FROM pictures ORDER BY embedding <=> $1 LIMIT 10';

test('a slow search by distance is found with the operator class it needs', async () => {
  await using database = await createTestDatabase('CREATE TABLE pictures (id int PRIMARY KEY, embedding real[])');
  const { findings } = await judge(missingVectorIndex, database.url, searched(nearest, 40));
  expect(findings[0]!.proposal).toMatchObject({
    code: 'CREATE INDEX CONCURRENTLY pictures_embedding_hnsw ON public.pictures USING hnsw (embedding vector_cosine_ops);',
    undo: 'DROP INDEX CONCURRENTLY public.pictures_embedding_hnsw;',
  });
});

test('a search that is fast enough, another order, and no such column are silent', async () => {
  await using database = await createTestDatabase('CREATE TABLE pictures (id int PRIMARY KEY, embedding real[])');
  expect((await judge(missingVectorIndex, database.url, searched(nearest, 4))).findings).toEqual([]);
  expect((await judge(missingVectorIndex, database.url, searched('SELECT id FROM pictures ORDER BY id LIMIT 10', 40))).findings).toEqual(
    [],
  );
  expect((await judge(missingVectorIndex, database.url, () => ({ 'postgres.statement-history': [] }))).reasons).toEqual([
    'the extension vector is not used here',
  ]);
});
