import { AsyncLocalStorage } from 'node:async_hooks';
import { Server } from 'node:http';
import { expect, test } from 'vitest';
import { refusalOf, serve, startPolicy } from '../../test/policy-bench.ts';
import { ControlledDelay } from './admission/controlled-delay.ts';
import { shedLoad, type ShedLoadPolicy } from './shed-load.ts';

const policy: ShedLoadPolicy = {
  kind: 'shed-load',
  maxConcurrent: 2,
  maxWaiting: 3,
  targetDelayMs: 500,
  intervalMs: 2_000,
  retryAfterSeconds: 4,
  exempt: ['/admin'],
};

/** Requests that are answered when the test says so. */
async function serveOnDemand() {
  const open: { readonly url: string; readonly answer: () => void }[] = [];
  const served = await serve((request, response) => {
    open.push({ url: request.url!, answer: () => response.end(request.url) });
  });
  const reached = (count: number) => expect.poll(() => open.length, { interval: 5 }).toBeGreaterThanOrEqual(count);
  return { ...served, [Symbol.asyncDispose]: served[Symbol.asyncDispose], open, reached };
}

test('so many requests are answered at once, so many wait in the order they came, and the rest is told when to come back', async () => {
  await using served = await serveOnDemand();
  using started = startPolicy(shedLoad, { ...policy, targetDelayMs: 20_000, intervalMs: 30_000 });
  const answers: Promise<Response>[] = [];
  let admitted = 0;
  const present = () => {
    const figures = started.take();
    admitted += figures['admitted']!;
    return figures['answering']! + figures['waiting']!;
  };
  for (let number = 0; number < 5; number += 1) {
    answers.push(fetch(`${served.url}/${number}`));
    await expect.poll(present, { interval: 5 }).toBe(number + 1);
  }
  expect(admitted).toBe(2);
  await served.reached(2);
  const refused = await fetch(`${served.url}/5`);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('4');
  expect(refused.headers.get('anneal-refused')).toBe('shed-load');
  expect(await refused.text()).toBe('Too busy to answer now.\n');
  // Health checks and what was named are let through whatever the load.
  for (const path of ['/health', '/readyz?full=1', '/admin', '/admin/users']) void fetch(served.url + path).catch(() => undefined);
  await served.reached(6);
  expect(started.take()).toMatchObject({ admitted: 0, refused: 1, answering: 2, waiting: 3 });

  for (let number = 0; number < 9; number += 1) {
    await served.reached(Math.max(number + 1, 6));
    served.open[number]!.answer();
  }
  expect(await Promise.all(answers.map(async (answer) => (await answer).text()))).toEqual(['/0', '/1', '/2', '/3', '/4']);
  expect(started.take()).toMatchObject({ admitted: 3, waited: 3, refused: 0, answering: 0, waiting: 0 });
  expect(started.endedBecause).toEqual([]);
});

test('who has waited for too long is refused, and the one that is being answered goes on', async () => {
  await using served = await serveOnDemand();
  using started = startPolicy(shedLoad, { ...policy, maxConcurrent: 1, targetDelayMs: 30, intervalMs: 60 });
  const first = fetch(`${served.url}/first`);
  await served.reached(1);
  const refused = await Promise.all([fetch(`${served.url}/second`), fetch(`${served.url}/third`)]);
  expect(refused.map(({ status }) => status)).toEqual([503, 503]);
  expect(started.take()).toMatchObject({ admitted: 1, refused: 2, answering: 1, waiting: 0 });
  served.open[0]!.answer();
  expect((await first).status).toBe(200);
});

test('a burst may wait for an interval, a standing queue only for the target', () => {
  const delay = new ControlledDelay(30, 300, 1_000);
  expect(delay.longestWaitMs(1_300)).toBe(300);
  expect(delay.longestWaitMs(1_301)).toBe(30);
  delay.wasEmpty(1_400);
  expect(delay.longestWaitMs(1_401)).toBe(300);
});

test('one that waited runs in its own context, and one that gave up while waiting never runs', async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const answers: (() => void)[] = [];
  await using served = await serve((request, response) => {
    seen.push(storage.getStore());
    answers.push(() => response.end());
    void request;
  });
  using started = startPolicy(shedLoad, { ...policy, maxConcurrent: 1 });
  const emit: unknown = Reflect.get(served.server, 'emit');
  served.server.emit = function (this: Server, ...args: never[]) {
    const [name, request] = args as unknown as [string, { readonly url?: string }];
    return name === 'request'
      ? storage.run(request.url!, () => Reflect.apply(emit as never, this, args))
      : Reflect.apply(emit as never, this, args);
  } as Server['emit'];
  const first = fetch(`${served.url}/first`);
  await expect.poll(() => seen.length).toBe(1);
  const abort = new AbortController();
  const abandoned = fetch(`${served.url}/abandoned`, { signal: abort.signal }).catch((error: Error) => error.name);
  await expect.poll(() => started.take()['waiting']).toBe(1);
  const second = fetch(`${served.url}/second`);
  await expect.poll(() => started.take()['waiting']).toBe(2);
  abort.abort();
  expect(await abandoned).toBe('AbortError');
  await expect.poll(() => started.take()['waiting']).toBe(1);
  answers[0]!();
  await first;
  await expect.poll(() => seen.length).toBe(2);
  answers[1]!();
  await second;
  expect(seen).toEqual(['/first', '/second']);
});

test('switched off it lets go of all who wait, and stopped it leaves the server as it found it', async () => {
  const before = Object.getOwnPropertyDescriptor(Server.prototype, 'emit');
  await using served = await serveOnDemand();
  using started = startPolicy(shedLoad, { ...policy, maxConcurrent: 1 });
  const answers = [fetch(`${served.url}/1`), fetch(`${served.url}/2`), fetch(`${served.url}/3`)];
  await expect.poll(() => started.take()['waiting']).toBe(2);
  started.switch(false);
  await served.reached(3);
  answers.push(fetch(`${served.url}/4`), fetch(`${served.url}/5`));
  await served.reached(5);
  for (const { answer } of served.open) answer();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  started.switch(true);
  expect(Object.getOwnPropertyDescriptor(Server.prototype, 'emit')).not.toEqual(before);
  started.running.stop();
  expect(Object.getOwnPropertyDescriptor(Server.prototype, 'emit')).toEqual(before);
});

test('limits that cannot be meant are refused, and so is a second policy', () => {
  expect(refusalOf(shedLoad, { ...policy, maxConcurrent: 0 })).toBe('maxConcurrent must be a whole number from 1, not 0');
  expect(refusalOf(shedLoad, { ...policy, maxWaiting: -1 })).toContain('maxWaiting must be a whole number from 0');
  expect(refusalOf(shedLoad, { ...policy, targetDelayMs: 3_000 })).toContain('must be within intervalMs (2000)');
  expect(refusalOf(shedLoad, { ...policy, retryAfterSeconds: 0 })).toContain('retryAfterSeconds must be a number above 0');
  expect(refusalOf(shedLoad, policy, [{ id: 'first', policy }])).toBe('load is already shed by the policy first');
  expect(refusalOf(shedLoad, policy)).toBeNull();
});
