import { expect, test } from 'vitest';
import { redact } from './redaction.ts';

test.each([
  ['DATABASE_URL=postgres://app:hunter2@db.internal:5432/shop node app.js', 'hunter2'],
  ['API_TOKEN=abcdef0123 SESSION_SECRET="two words" node app.js', 'abcdef0123'],
  ['API_TOKEN=abcdef0123 SESSION_SECRET="two words" node app.js', 'two words'],
  ['authorization: Bearer abc.def-ghi', 'abc.def-ghi'],
  ['token eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl', 'c2lnbmF0dXJl'],
  ['node app.js --password hunter2', 'hunter2'],
  ['key sk-abcdefghijklmnop', 'abcdefghijklmnop'],
])('a credential in %j is blanked', (text, secret) => {
  expect(redact(text)).not.toContain(secret);
  expect(redact(text)).toContain('***');
});

test.each([
  'SELECT id FROM sessions WHERE token = $1 AND password_hash = $2',
  'src/token.ts:12 (resetPassword)',
  'CREATE INDEX CONCURRENTLY sessions_token_idx ON public.sessions (token)',
  'http://127.0.0.1:3000/posts?page=2',
  'the pool waits for a bearer of bad news',
])('%j is no credential and stays as it is', (text) => {
  expect(redact(text)).toBe(text);
});
