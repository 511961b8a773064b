import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { httpClient, type HttpClientOptions, type HttpRequest } from './http-client.ts';

const text = 'Grüße aus der Werkstatt';

/** Answers by path; remembers what it was asked with. */
async function served(options: Partial<HttpClientOptions> = {}) {
  const asked: IncomingMessage['headers'][] = [];
  let version = 1;
  const server = createServer((request, response) => {
    asked.push(request.headers);
    if (request.url === '/gzip') response.setHeader('content-encoding', 'gzip').end(gzipSync(text));
    else if (request.url === '/br') response.setHeader('content-encoding', 'br').end(brotliCompressSync(text));
    else if (request.url === '/broken') response.setHeader('content-encoding', 'gzip').end('no gzip');
    else if (request.url === '/plain') response.end(text);
    else {
      const tag = `"${version}"`;
      response.setHeader('etag', tag);
      if (request.headers['if-none-match'] === tag) response.writeHead(304).end();
      else response.end(text);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = httpClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { connections: 2, timeoutMs: 5_000, ...options });
  const stack = new AsyncDisposableStack();
  stack.defer(() => void server.close());
  stack.defer(() => client.close());
  return { client, asked, stack, change: () => (version += 1) };
}
const get = (path: string, headers: readonly string[] = []): HttpRequest => ({ method: 'GET', path, headers, body: null });

test('a body is what was said, whatever coding it came in; its bytes are those that came', async () => {
  const { client, stack } = await served();
  await using _ = stack;
  for (const path of ['/gzip', '/br', '/plain']) expect((await client.send(get(path), true)).body).toBe(text);
  expect((await client.send(get('/gzip'), true)).bodyBytes).toBe(gzipSync(text).length);
  expect(await client.send(get('/broken'), true)).toMatchObject({ status: 0, error: 'UNDECODABLE', body: '' });
});

test('a client that revalidates asks by the tag it was given, for each address and credential apart, and takes a new answer whole', async () => {
  const { client, asked, stack, change } = await served({ revalidates: true });
  await using _ = stack;
  const sent = async (request: HttpRequest, keepBody = false) => {
    const { status, bodyBytes } = await client.send(request, keepBody);
    return { status, bodyBytes, tag: asked.at(-1)!['if-none-match'] };
  };
  const whole = Buffer.byteLength(text);
  expect(await sent(get('/a'))).toEqual({ status: 200, bodyBytes: whole, tag: undefined });
  expect(await sent(get('/a'))).toEqual({ status: 200, bodyBytes: 0, tag: '"1"' });
  expect(await sent(get('/a', ['authorization', 'Bearer b']))).toEqual({ status: 200, bodyBytes: whole, tag: undefined });
  expect(await sent(get('/b'))).toEqual({ status: 200, bodyBytes: whole, tag: undefined });
  // What is compared or captured is asked for whole.
  expect(await sent(get('/a'), true)).toEqual({ status: 200, bodyBytes: whole, tag: undefined });
  change();
  expect(await sent(get('/a'))).toEqual({ status: 200, bodyBytes: whole, tag: '"1"' });
  expect(await sent(get('/a'))).toEqual({ status: 200, bodyBytes: 0, tag: '"2"' });
});

test('clients of another name remember what they were given themselves, whatever others were given meanwhile', async () => {
  const { client, asked, stack } = await served({ revalidates: true });
  await using _ = stack;
  const tagOfNext = async (clients: string) => {
    client.sendAs(clients);
    await client.send(get('/a'), false);
    return asked.at(-1)!['if-none-match'];
  };
  expect([await tagOfNext('with'), await tagOfNext('without'), await tagOfNext('with'), await tagOfNext('without')]).toEqual([
    undefined,
    undefined,
    '"1"',
    '"1"',
  ]);
});

test('a client that does not is never told that it has something already', async () => {
  const { client, asked, stack } = await served();
  await using _ = stack;
  await client.send(get('/a'), false);
  expect((await client.send(get('/a'), false)).status).toBe(200);
  expect(asked.every((headers) => headers['if-none-match'] === undefined)).toBe(true);
});
