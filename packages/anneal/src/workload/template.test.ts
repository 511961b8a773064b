import fc from 'fast-check';
import { expect, test } from 'vitest';
import '../../../../test/support/seeded-properties.ts';
import { jsonTemplate, pathTemplate } from './template.ts';

test('a path encodes its values, so that none becomes part of the structure', () => {
  const path = pathTemplate('/users/{name}/posts?page={page}');
  expect(path.variables).toEqual(['name', 'page']);
  expect(path.render({ name: 'a/b&c', page: 2 })).toBe('/users/a%2Fb%26c/posts?page=2');
});

test('a string that is one hole becomes the value with its type, others take it as text', () => {
  const body = jsonTemplate({ id: '{id}', title: 'Post {id}: {words}', nested: [{ again: '{words}' }] });
  expect(JSON.parse(body.render({ id: 7, words: 'say "hi"' }))).toEqual({
    id: 7,
    title: 'Post 7: say "hi"',
    nested: [{ again: 'say "hi"' }],
  });
});

test('keys stay strings, and braces that are no holes stay as they are', () => {
  const body = jsonTemplate({ '{id}': 1, empty: {}, code: 'if (x) { return }', quoted: 'say "{id}"' });
  expect(JSON.parse(body.render({ id: 7 }))).toEqual({ '7': 1, empty: {}, code: 'if (x) { return }', quoted: 'say "7"' });
});

test('whatever the value and the text around it, the body stays JSON with the value inside', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.oneof(fc.string(), fc.integer()), (before, after, value) => {
      const text = `${before.replaceAll('{', '')}{v}${after.replaceAll('{', '')}`;
      const rendered = JSON.parse(jsonTemplate({ text, value: '{v}' }).render({ v: value })) as Record<string, unknown>;
      expect(rendered['value']).toBe(value);
      expect(rendered['text']).toStrictEqual(text === '{v}' ? value : text.split('{v}').join(String(value)));
    }),
  );
});
