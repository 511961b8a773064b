import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../../../test/support/test-database.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { cacheKnowledge } from './cache-knowledge.ts';

const schema = `
  CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL, updated_at timestamptz);
  CREATE TABLE posts (id bigint PRIMARY KEY, author_id int REFERENCES authors ON DELETE CASCADE ON UPDATE CASCADE, title text);
  CREATE TABLE comments (id uuid PRIMARY KEY, post_id bigint REFERENCES posts ON DELETE CASCADE, body text);
  CREATE TABLE tags (name text PRIMARY KEY, label text COLLATE "C");
  CREATE TABLE views (id int PRIMARY KEY); -- the information schema has one of that name too
  CREATE TABLE audit (id int GENERATED ALWAYS AS IDENTITY, what text);
  CREATE TABLE audited (id int PRIMARY KEY);
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit (what) VALUES (TG_OP); RETURN NEW; END $$;
  CREATE TRIGGER noted AFTER INSERT OR UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION note();
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); -- update it
    IF TG_OP = 'UPDATE' THEN RETURN NEW; END IF; RETURN NEW; END $$;
  CREATE TRIGGER touched BEFORE UPDATE ON authors FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE TABLE counted (id int PRIMARY KEY, n int);
  CREATE FUNCTION "Recount"(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit (what) VALUES ('x'); RETURN 1; END $$;
  CREATE FUNCTION count_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := "Recount" (NEW.id); RETURN NEW; END $$;
  CREATE TRIGGER counts BEFORE INSERT ON counted FOR EACH ROW EXECUTE FUNCTION count_again();
  CREATE TABLE events (id int, at date NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  CREATE VIEW titles AS SELECT p.title, a.name FROM posts p JOIN authors a ON a.id = p.author_id;
  CREATE VIEW recent AS SELECT title FROM posts WHERE now() > '2020-01-01';
  CREATE TABLE secrets (id int PRIMARY KEY);
  ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
  CREATE SCHEMA other;
  CREATE TABLE other.twins (id int PRIMARY KEY);
  CREATE TABLE twins (id int PRIMARY KEY);
  CREATE FUNCTION does_something() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
  CREATE FUNCTION looks_up() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM tags';
`;

const parser = await createSqlParser();

/** Told as `table` or `table:column=$n`. */
async function told(statements: readonly string[]) {
  await using database = await createTestDatabase(schema);
  await using sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
  const samples = new Map(statements.map((text) => [text, [{ text, values: null }]]));
  const known = await cacheKnowledge(sql, parser, samples);
  const uses = (
    list: readonly {
      readonly table: string;
      readonly key: { readonly column: string; readonly parameter: number; readonly type: string } | null;
    }[],
  ) => list.map(({ table, key }) => (key === null ? table : `${table}:${key.column}=$${key.parameter} ${key.type}`)).sort();
  return statements.map((text) => {
    const found = known.find(({ template }) => template === text.replaceAll(/'[^']*'|\b(?<!\$)\d+\b/g, '?'));
    if (found === undefined) return 'unknown';
    if (found.writes.length > 0) return { writes: uses(found.writes) };
    return found.reads === null ? 'private' : { reads: uses(found.reads) };
  });
}

test('reads are told by table, and by key where the statement fixes it', async () => {
  const cases = [
    ['SELECT * FROM posts WHERE id = $1', ['public.posts:id=$1 integer']],
    ['SELECT * FROM comments c WHERE $2 = c.id AND body LIKE $1', ['public.comments:id=$2 uuid']],
    ['SELECT * FROM tags WHERE name = $1', ['public.tags:name=$1 text']],
    ['SELECT * FROM views WHERE id = $1', ['public.views:id=$1 integer']],
    ['SELECT * FROM posts WHERE author_id = $1', ['public.posts']],
    ['SELECT * FROM posts WHERE id = $1 OR title = $2', ['public.posts']],
    [
      'SELECT p.*, a.name FROM posts p JOIN authors a ON a.id = p.author_id WHERE p.id = $1',
      ['public.authors', 'public.posts:id=$1 integer'],
    ],
    ['SELECT * FROM posts p JOIN authors a ON true WHERE id = $1', ['public.authors', 'public.posts']],
    ['SELECT * FROM (SELECT author_id AS id FROM posts) posts WHERE id = $1', ['public.posts']],
    ['WITH posts AS (SELECT author_id AS id FROM posts) SELECT * FROM posts WHERE id = $1', ['public.posts', 'public.posts']],
    ['WITH few AS (SELECT id FROM authors) SELECT * FROM few', ['public.authors']],
    ['SELECT (SELECT count(*) FROM posts) FROM authors WHERE authors.id = $1', ['public.authors:id=$1 integer', 'public.posts']],
    ['SELECT id FROM posts WHERE id = $1 UNION SELECT id FROM authors', ['public.authors', 'public.posts']],
    ['SELECT title FROM titles WHERE name = $1', ['public.authors', 'public.posts']],
    ['SELECT json_agg(posts ORDER BY id) FROM posts', ['public.posts']],
    ['SELECT * FROM events WHERE id = $1', ['public.events']],
  ] as const;
  expect(await told(cases.map(([text]) => text))).toEqual(cases.map(([, reads]) => ({ reads })));
});

test('what depends on more than tables is private', async () => {
  const statements = [
    'SELECT * FROM posts WHERE now() > $1',
    'SELECT CURRENT_USER',
    "SELECT 'now'::timestamptz FROM posts",
    'SELECT * FROM posts ORDER BY random()',
    "SELECT current_setting('app.user') FROM posts",
    'SELECT * FROM recent',
    'SELECT * FROM secrets WHERE id = $1',
    'SELECT looks_up()',
    'SELECT * FROM pg_catalog.pg_class',
    'SELECT * FROM twins',
    'SELECT * FROM posts WHERE id = $1 FOR UPDATE',
    'SELECT * FROM not_there',
  ];
  expect(await told(statements)).toEqual(statements.map(() => 'private'));
});

test('what may have done anything is unknown', async () => {
  const statements = [
    'SELECT does_something()',
    "SELECT set_config('a', $1, false)",
    'UPDATE twins SET id = 1',
    'UPDATE not_there SET id = $1',
    'TRUNCATE posts',
    'SELECT * INTO copies FROM posts',
    'SELECT 1; DELETE FROM posts',
    'CALL something()',
    'CREATE TEMP TABLE posts (id int)',
  ];
  expect(await told(statements)).toEqual(statements.map(() => 'unknown'));
});

test('writes are told with what follows from them: cascades, partitions, triggers', async () => {
  const cases = [
    ['UPDATE posts SET title = $1 WHERE id = $2', ['public.posts:id=$2 integer']],
    ['UPDATE posts SET id = $1 WHERE id = $2', ['public.posts']],
    ['UPDATE posts SET title = $1 FROM authors WHERE posts.id = $2', ['public.posts']],
    ['UPDATE authors SET name = $1 WHERE id = $2', ['public.authors:id=$2 integer']],
    ['UPDATE authors SET id = $1 WHERE id = $2', ['public.authors', 'public.posts']],
    ['DELETE FROM authors WHERE id = $1', ['public.authors:id=$1 integer', 'public.comments', 'public.posts']],
    ['INSERT INTO posts (id, title) VALUES ($1, $2)', ['public.posts']],
    ['INSERT INTO tags (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET label = $2', ['public.tags', 'public.tags']],
    ['WITH gone AS (DELETE FROM comments WHERE id = $1 RETURNING id) SELECT * FROM gone', ['public.comments']],
    ['INSERT INTO events_2026 (id, at) VALUES ($1, $2)', ['public.events', 'public.events_2026']],
    ['DELETE FROM events WHERE id = $1', ['public.events', 'public.events_2026']],
    ['INSERT INTO audited (id) VALUES ($1)', ['*']],
    ['INSERT INTO counted (id) VALUES ($1)', ['*']],
    ['UPDATE counted SET n = $1 WHERE id = $2', ['public.counted:id=$2 integer']],
    ['UPDATE titles SET title = $1', ['*']],
  ] as const;
  expect(await told(cases.map(([text]) => text))).toEqual(cases.map(([, writes]) => ({ writes })));
});
