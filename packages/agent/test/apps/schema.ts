/** What every application under test works on: 20 authors with five posts each. */
export const schemaSql = `
  CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL);
  CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL REFERENCES authors, title text NOT NULL);
  INSERT INTO authors SELECT n, 'author ' || n FROM generate_series(1, 20) n;
  INSERT INTO posts SELECT n, 1 + (n * 7) % 20, 'post ' || n FROM generate_series(1, 100) n;
`;

/** The same for MariaDB. */
export const mysqlSchema = `
  CREATE TABLE authors (id int PRIMARY KEY, name varchar(100) NOT NULL);
  CREATE TABLE posts (id int PRIMARY KEY, author_id int NOT NULL, title varchar(100) NOT NULL);
  INSERT INTO authors SELECT seq, concat('author ', seq) FROM seq_1_to_20;
  INSERT INTO posts SELECT seq, 1 + (seq * 7) % 20, concat('post ', seq) FROM seq_1_to_100;
`;
