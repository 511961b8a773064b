import { once } from 'node:events';
import http from 'node:http';
import { expect, test } from 'vitest';
import { refusalOf, serve, startPolicy } from '../../test/policy-bench.ts';
import { outgoingTimeout, type OutgoingTimeoutPolicy } from './outgoing-timeout.ts';

/** Enough for an answer that comes at once, however busy the machine; and what is longer than that. */
const [timeoutMs, longerMs] = [250, 450];

/** Answers `/ready` at once, begins an answer to `/begun`, and says nothing to anything else. */
const halting = () =>
  serve((request, response) => {
    if (request.url === '/ready') response.end('ready');
    else if (request.url === '/begun') response.write('begun');
  });
const limiting = (served: { readonly port: number }): OutgoingTimeoutPolicy => ({
  kind: 'outgoing-timeout',
  peers: [`127.0.0.1:${served.port}`],
  timeoutMs,
});

/** How a request of node:http ends: what its caller is told. */
async function ending(url: string, options: http.RequestOptions = {}): Promise<string> {
  const request = http.get(url, options);
  const told = new Promise<string>((resolve) => {
    request.on('response', (response) => {
      response.resume();
      response.on('error', () => undefined);
      response.on('end', () => resolve('answered'));
    });
    request.on('error', (error: NodeJS.ErrnoException) => resolve(`request: ${error.code}`));
    if (options.timeout !== undefined) request.on('timeout', () => resolve('its own limit'));
  });
  const outcome = await told;
  request.destroy();
  return outcome;
}

test('a fetch without a limit gets one, for the head of the answer and for its end; one with a signal keeps its own', async () => {
  await using served = await halting();
  using started = startPolicy(outgoingTimeout, limiting(served));
  expect(await (await fetch(`${served.url}/ready`)).text()).toBe('ready');
  await expect(fetch(`${served.url}/silent`)).rejects.toMatchObject({ name: 'TimeoutError' });
  await expect(fetch(`${served.url}/begun`).then((response) => response.text())).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(started.take()).toEqual({ limited: 3, timedOut: 1 });
  const own = new AbortController();
  const slow = fetch(`${served.url}/silent`, { signal: own.signal });
  const asRequest = fetch(new Request(`${served.url}/silent`, { signal: own.signal }));
  setTimeout(() => own.abort(), longerMs);
  await expect(slow).rejects.toMatchObject({ name: 'AbortError' });
  await expect(asRequest).rejects.toMatchObject({ name: 'AbortError' });
  expect(started.take()).toEqual({ limited: 0, timedOut: 0 });
});

test('a request of node:http that nothing limits is ended; what limits itself is left alone', async () => {
  await using served = await halting();
  using started = startPolicy(outgoingTimeout, limiting(served));
  expect(await ending(`${served.url}/ready`)).toBe('answered');
  expect(await ending(`${served.url}/silent`, { agent: false })).toBe('request: ETIMEDOUT');
  expect(await ending(`${served.url}/begun`)).toBe('request: ETIMEDOUT');
  expect(await ending(`${served.url}/silent`, { signal: AbortSignal.timeout(longerMs) })).toBe('request: ABORT_ERR');
  expect(await ending(`${served.url}/silent`, { timeout: longerMs })).toBe('its own limit');
  expect(started.take()).toMatchObject({ timedOut: 2 });
});

test('a request whose errors nobody handles is never ended: that would end the process', async () => {
  await using served = await halting();
  using started = startPolicy(outgoingTimeout, limiting(served));
  const request = http.get(`${served.url}/silent`);
  await once(request, 'finish');
  await ending(`${served.url}/silent`);
  expect(request.destroyed).toBe(false);
  expect(started.take()['timedOut']).toBe(1);
  request.on('error', () => undefined).destroy();
});

test('other peers are left alone, off is off at once, and nothing is left when it stops', async () => {
  const methods = () => [globalThis.fetch, Reflect.get(http.Agent.prototype, 'addRequest')];
  const before = methods();
  await using served = await halting();
  await using other = await serve((_request, response) => void setTimeout(() => response.end('slow'), longerMs));
  using started = startPolicy(outgoingTimeout, { ...limiting(served), peers: [`127.0.0.1:${served.port}`, 'elsewhere'] });
  expect(await (await fetch(other.url)).text()).toBe('slow');
  started.switch(false);
  const answer = fetch(`${served.url}/silent`, { signal: null }).catch((error: Error) => error.name);
  expect(await Promise.race([answer, new Promise((resolve) => void setTimeout(resolve, longerMs, 'still waiting'))])).toBe('still waiting');
  started.running.stop();
  expect(methods()).toEqual(before);
});

test('no time and too much of it are refused, and a peer has one limit', () => {
  const policy: OutgoingTimeoutPolicy = { kind: 'outgoing-timeout', peers: ['a:1', 'b:1'], timeoutMs: 100 };
  expect(refusalOf(outgoingTimeout, { ...policy, timeoutMs: 0 })).toContain('timeoutMs must be a whole number from 1');
  expect(refusalOf(outgoingTimeout, { ...policy, timeoutMs: 2 ** 31 })).toContain('not 2147483648');
  expect(refusalOf(outgoingTimeout, policy, [{ id: 'first', policy: { ...policy, peers: ['b:1'] } }])).toContain(
    'already limited by the policy first',
  );
});
