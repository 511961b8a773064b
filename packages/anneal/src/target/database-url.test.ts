import { expect, test } from 'vitest';
import { databaseHost, databaseName, withDatabaseName } from './database-url.ts';

const forms = [
  {
    url: 'postgres://u:p@db.example:5433/app?sslmode=require',
    host: 'db.example',
    name: 'app',
    other: 'postgres://u:p@db.example:5433/copy?sslmode=require',
  },
  { url: 'postgresql://localhost/app', host: 'localhost', name: 'app', other: 'postgresql://localhost/copy' },
  { url: 'postgres://u:p%40%2f@[::1]:5432/app', host: '::1', name: 'app', other: 'postgres://u:p%40%2f@[::1]:5432/copy' },
  {
    url: 'postgres://u@/app?host=/var/run/postgresql',
    host: '/var/run/postgresql',
    name: 'app',
    other: 'postgres://u@/copy?host=/var/run/postgresql',
  },
  { url: 'postgres://%2Fvar%2Frun/app', host: '/var/run', name: 'app', other: 'postgres://%2Fvar%2Frun/copy' },
  { url: 'postgres:///app', host: null, name: 'app', other: 'postgres:///copy' },
  { url: 'postgres://u:p@host', host: 'host', name: null, other: 'postgres://u:p@host/copy' },
  { url: 'postgres://localhost/app?host=db.example', host: 'db.example', name: 'app', other: 'postgres://localhost/copy?host=db.example' },
  { url: 'socket:/tmp/pg?db=app', host: '/tmp/pg', name: 'app', other: 'socket:/tmp/pg?db=copy' },
  { url: '/tmp/pg app', host: '/tmp/pg', name: 'app', other: '/tmp/pg copy' },
] as const;

test.for(forms)(
  '$url names its host and database, and can be pointed at another database of the same server',
  ({ url, host, name, other }) => {
    expect(databaseHost(url)).toBe(host);
    expect(databaseName(url)).toBe(name);
    expect(withDatabaseName(url, 'copy')).toBe(other);
    expect(databaseName(withDatabaseName(url, 'copy'))).toBe('copy');
    expect(databaseHost(withDatabaseName(url, 'copy'))).toBe(host);
  },
);

test('what is not a URL is refused without repeating it', () => {
  expect(() => databaseHost('secret')).toThrow(new TypeError('not a database URL'));
});
