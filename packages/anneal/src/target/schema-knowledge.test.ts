import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { createDatabases } from '../adapters/pg.ts';
import { schemaKnowledge } from './schema-knowledge.ts';

const schemaSql = `
  CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL);
  CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL);
  CREATE VIEW people AS SELECT id, name FROM authors;
  CREATE FUNCTION loud(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
  CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
  CREATE TYPE mood AS ENUM ('sad', 'ok');
`;

test('whatever may change what a statement answers, or what a write sets off, is another schema; rows and indexes are not', async () => {
  await using database = await createTestDatabase(schemaSql);
  await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
  const seen = new Set([await schemaKnowledge(sql)]);
  for (const harmless of [
    "INSERT INTO authors VALUES (1, 'a')",
    'CREATE INDEX ON posts (author_id)',
    'ANALYZE',
    'VACUUM FULL authors',
    'CREATE TEMPORARY TABLE t (id int)',
  ]) {
    await database.client.query(harmless);
    expect(seen, harmless).toContain(await schemaKnowledge(sql));
  }
  for (const change of [
    'ALTER TABLE authors ADD COLUMN motto text',
    "ALTER TABLE authors ALTER COLUMN motto SET DEFAULT 'none'",
    'ALTER TABLE posts ALTER COLUMN author_id TYPE bigint',
    'ALTER TABLE posts ADD FOREIGN KEY (author_id) REFERENCES authors ON DELETE CASCADE',
    'CREATE TRIGGER noted BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION noted()',
    'ALTER TABLE posts DISABLE TRIGGER noted',
    'CREATE OR REPLACE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM 1; RETURN NEW; END$$',
    "CREATE OR REPLACE FUNCTION loud(text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT upper($1)'",
    "CREATE OR REPLACE VIEW people AS SELECT id, name FROM authors WHERE name <> ''",
    'CREATE RULE quiet AS ON UPDATE TO posts DO INSTEAD NOTHING',
    'ALTER TABLE posts ENABLE ROW LEVEL SECURITY',
    'CREATE POLICY own ON posts USING (author_id = 1)',
    'CREATE TABLE old_posts () INHERITS (posts)',
    'ALTER TABLE posts SET UNLOGGED',
    "ALTER TYPE mood ADD VALUE 'glad'",
    'DROP TABLE old_posts',
  ]) {
    await database.client.query(change);
    const now = await schemaKnowledge(sql);
    expect(seen, change).not.toContain(now);
    seen.add(now);
  }
});
