import pg from 'pg';

/** What the server of the agent's benchmarks reads: 1,000 authors, 20,000 posts. */
export async function seedAuthorsAndPosts(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`
    CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL);
    CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL, title text NOT NULL);
    INSERT INTO authors SELECT n, 'author ' || n FROM generate_series(1, 1000) n;
    INSERT INTO posts SELECT n, 1 + (n * 7) % 1000, 'post ' || n FROM generate_series(1, 20000) n;
    ANALYZE`);
  await client.end();
}
