import { expect, test } from 'vitest';
import { markup, prose } from './markup.ts';

test('what is inserted is text, in content and in attributes', () => {
  const hostile = `"><script>alert('x')</script>&`;
  expect(markup`<p title="${hostile}">${hostile}</p>`.markup).toBe(
    '<p title="&#34;&#62;&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#38;">&#34;&#62;&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#38;</p>',
  );
});

test('markup in markup stays markup, lists are joined, null is nothing', () => {
  expect(markup`<ul>${['a', 'b'].map((item) => markup`<li>${item}</li>`)}${null}${3}</ul>`.markup).toBe('<ul><li>a</li><li>b</li>3</ul>');
});

test('characters that turn text around or steer a terminal are gone, line breaks stay', () => {
  expect(markup`${'a\u202Eb\u0007c\nd'}`.markup).toBe('abc\nd');
});

test('backticks in a sentence are code, and what they hold is escaped', () => {
  expect(prose('run `a < b` or ` alone').markup).toBe('run <code>a &#60; b</code> or ` alone');
});
