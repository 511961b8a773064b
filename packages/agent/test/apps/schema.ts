/** What every application under test works on: 20 authors with five posts each. */
export const schemaSql = `
  CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL);
  CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL REFERENCES authors, title text NOT NULL);
  INSERT INTO authors SELECT n, 'author ' || n FROM generate_series(1, 20) n;
  INSERT INTO posts SELECT n, 1 + (n * 7) % 20, 'post ' || n FROM generate_series(1, 100) n;
`;
