import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { quantileUs, shareBelow } from '../stats/histogram.ts';
import { answerJson, startTestServer, type SeenRequest } from './fixtures/test-server.ts';
import { aScenario, aWorkload } from './fixtures/workloads.ts';
import { openLoad } from './load-session.ts';
import type { Login, Workload } from './workload.ts';

const everything = aWorkload({
  executor: { type: 'constant-arrival-rate', ratePerSecond: 200, arrivals: 'poisson' },
  variables: {
    n: { type: 'sequence', template: '{n}' },
    id: { type: 'integer', min: 1, max: 1000, distribution: 'zipf' },
    words: { type: 'text', words: 4 },
  },
  scenarios: [
    { name: 'read', weight: 3, steps: [{ method: 'GET', path: '/{n}/posts/{id}' }] },
    { name: 'write', weight: 1, steps: [{ method: 'POST', path: '/{n}/posts', body: { text: '{words}', author: '{id}' } }] },
  ],
});

/** Connections may overtake each other, so requests are put in the order of the number that every path begins with. */
function inOrder(seen: readonly SeenRequest[]): readonly SeenRequest[] {
  return seen.toSorted((a, b) => Number(a.path.split('/')[1]) - Number(b.path.split('/')[1]));
}

test('the same seed sends the same requests, on one thread or two; another seed sends others', async () => {
  await using server = await startTestServer((_request, response) => response.end());
  const sentWith = async (seed: number, workers: number) => {
    server.seen.length = 0;
    await using session = await openLoad(everything, { baseUrl: server.baseUrl, workers });
    const result = await session.run({ durationMs: 500, seed });
    expect(result.requests).toBe(server.seen.length);
    return inOrder(server.seen);
  };
  const first = await sentWith(5, 1);
  expect(first.length).toBeGreaterThan(50);
  expect(new Set(first.map((request) => request.method))).toEqual(new Set(['GET', 'POST']));
  expect(await sentWith(5, 1)).toEqual(first);
  expect(await sentWith(5, 2)).toEqual(first);
  expect(await sentWith(6, 1)).not.toEqual(first);
});

test('slow answers do not change what is sent', async () => {
  const sent: (readonly SeenRequest[])[] = [];
  for (const delayMs of [0, 150]) {
    await using server = await startTestServer((_request, response) => void setTimeout(() => response.end(), delayMs));
    await using session = await openLoad(everything, { baseUrl: server.baseUrl });
    await session.run({ durationMs: 500, seed: 5 });
    sent.push(inOrder(server.seen));
  }
  expect(sent[0]!.length).toBeGreaterThan(50);
  expect(sent[1]).toEqual(sent[0]);
});

test('a stall of the target is felt by every request that was due in it, and by one of a closed user', async () => {
  const stalling = new Worker(new URL('fixtures/stalling-server.ts', import.meta.url));
  try {
    const [{ port }] = (await once(stalling, 'message')) as [{ readonly port: number }];
    const workload = aWorkload({ scenarios: [aScenario({ method: 'GET', path: '/' })] });
    await using session = await openLoad(workload, { baseUrl: `http://127.0.0.1:${port}` });

    const open = await session.run({ durationMs: 3000, seed: 1 });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    stalling.postMessage('report');
    const [{ stallsMs }] = (await once(stalling, 'message')) as [{ readonly stallsMs: readonly number[] }];
    const closed = await session.run({ durationMs: 3000, seed: 1, executor: { type: 'constant-vus', vus: 1 } });

    const meanStallMs = stallsMs.reduce((sum, ms) => sum + ms, 0) / stallsMs.length;
    // Arrivals are spread evenly over a stall, so a tenth of all wait between nothing and the whole of it: p99 is near nine tenths.
    const p99 = quantileUs(open.responseTimeUs, 0.99) / 1000;
    expect(p99 / (0.9 * meanStallMs)).toBeGreaterThan(0.6);
    const slowUs = (meanStallMs / 4) * 1000;
    expect(1 - shareBelow(open.responseTimeUs, slowUs)).toBeGreaterThan(0.04);
    // The lone user is stopped once per stall, and sends hundreds of requests between two stalls.
    expect(1 - shareBelow(closed.responseTimeUs, slowUs)).toBeLessThan(0.02);
  } finally {
    await stalling.terminate();
  }
});

test('a generator that was held up sends its whole backlog late, and says that the window is invalid', async () => {
  await using server = await startTestServer((_request, response) => response.end());
  await using session = await openLoad(everything, { baseUrl: server.baseUrl });
  const running = session.run({ durationMs: 1000, seed: 5 });
  await sleep(200);
  const from = performance.now();
  while (performance.now() - from < 300);
  const result = await running;
  expect(result.requests).toBe(result.plannedIterations);
  expect(server.seen).toHaveLength(result.plannedIterations);
  expect(result.validity.valid).toBe(false);
  expect(result.validity.problems.join()).toMatch(/send lag p99 \d+ ms exceeds/);
  // The wait counts: response times begin when a request was due, service times when it was sent.
  expect(quantileUs(result.responseTimeUs, 0.95)).toBeGreaterThan(quantileUs(result.serviceTimeUs, 0.5) * 3);
});

test('ramping arrivals send what the integral of the rate says', async () => {
  await using server = await startTestServer((_request, response) => response.end());
  await using session = await openLoad(everything, { baseUrl: server.baseUrl });
  const stages = [
    { targetRatePerSecond: 200, durationMs: 500 },
    { targetRatePerSecond: 0, durationMs: 250 },
  ];
  const result = await session.run({ durationMs: 750, seed: 1, executor: { type: 'ramping-arrival-rate', startRatePerSecond: 0, stages } });
  expect(result).toMatchObject({ plannedIterations: 75, startedIterations: 75, requests: 75, droppedIterations: 0 });
  expect(server.seen).toHaveLength(75);
});

test('arrivals beyond the cap are dropped and counted; what never answers is unfinished', async () => {
  await using server = await startTestServer(() => {});
  await using session = await openLoad(everything, { baseUrl: server.baseUrl, inFlightCap: 5, drainMs: 50 });
  const executor = { type: 'constant-arrival-rate', ratePerSecond: 100 } as const;
  const result = await session.run({ durationMs: 500, seed: 1, executor });
  expect(result).toMatchObject({ plannedIterations: 50, startedIterations: 5, droppedIterations: 45, requests: 5, failedRequests: 5 });
  expect(Object.keys(Object.assign({}, ...result.steps.map((step) => step.statuses)))).toEqual(['UNFINISHED']);
  expect(result.validity.problems).toContainEqual('45 of 50 iterations (90 %) were dropped at the in-flight cap, limit 0.1 %');
  expect(result.validity.problems).toContainEqual('5 request(s) had no answer when the drain time ended');
});

test('a target that refuses connections fails every request and nothing else', async () => {
  const server = await startTestServer(() => {});
  await server[Symbol.asyncDispose]();
  await using session = await openLoad(everything, { baseUrl: server.baseUrl });
  const result = await session.run({ durationMs: 300, seed: 1 });
  expect(result.requests).toBe(result.plannedIterations);
  expect(result.requests).toBeGreaterThan(0);
  expect(result.failedRequests).toBe(result.requests);
  expect(result.failedChecks).toBe(result.checks);
  for (const step of result.steps) expect(step.statuses).toEqual({ ECONNREFUSED: step.requests });
});

test('a connection that the target cuts is told by its code, and the next run goes on', async () => {
  let cut = true;
  await using server = await startTestServer((_request, response) => void (cut ? response.destroy() : response.end()));
  await using session = await openLoad(everything, { baseUrl: server.baseUrl });
  const broken = await session.run({ durationMs: 200, seed: 1 });
  expect(broken.failedRequests).toBe(broken.requests);
  cut = false;
  const whole = await session.run({ durationMs: 200, seed: 1 });
  expect(whole.requests).toBe(broken.requests);
  expect(whole.failedRequests).toBe(0);
});

test('an abort ends the run early, with its reason', async () => {
  for (const workers of [1, 2]) {
    await using server = await startTestServer(() => {});
    const stop = new AbortController();
    await using session = await openLoad(everything, { baseUrl: server.baseUrl, signal: stop.signal, workers });
    const running = session.run({ durationMs: 60_000, seed: 1 });
    await sleep(100);
    stop.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    await expect(session.run({ durationMs: 100, seed: 1 })).rejects.toThrow('enough');
  }
});

test('virtual users never have more requests out than they are, and think between steps', async () => {
  let out = 0;
  let most = 0;
  await using server = await startTestServer((_request, response) => {
    out += 1;
    most = Math.max(most, out);
    setTimeout(() => {
      out -= 1;
      response.end();
    }, 5);
  });
  await using session = await openLoad(everything, { baseUrl: server.baseUrl });
  const busy = await session.run({ durationMs: 400, seed: 1, executor: { type: 'constant-vus', vus: 4 } });
  expect(most).toBe(4);
  expect(busy.droppedIterations).toBe(0);
  expect(busy.requests).toBe(server.seen.length);

  const thoughtful = aWorkload({ scenarios: [aScenario({ method: 'GET', path: '/', thinkTimeMs: 60_000 })] });
  await using slow = await openLoad(thoughtful, { baseUrl: server.baseUrl });
  const thinking = await slow.run({ durationMs: 300, seed: 1, executor: { type: 'constant-vus', vus: 3 } });
  expect(thinking.requests).toBe(3);
});

const login: Login = {
  sessions: 3,
  request: { method: 'POST', path: '/login', body: { user: '{user}' } },
  token: '$.session.token',
};

const blog: Workload = aWorkload({
  variables: { user: { type: 'sequence', template: 'user-{n}' } },
  login,
  scenarios: [
    aScenario(
      { method: 'POST', path: '/posts', body: { title: 'hello' }, capture: { post: '$.id' }, checks: [{ type: 'status', in: [201] }] },
      {
        method: 'GET',
        path: '/posts/{post}',
        checks: [
          { type: 'json-exists', path: '$.title' },
          { type: 'body-includes', text: 'no such text' },
        ],
      },
      { method: 'GET', path: '/public', authenticated: false },
    ),
  ],
});

function answerBlog(request: SeenRequest, response: Parameters<typeof answerJson>[0]): void {
  if (request.path === '/login')
    answerJson(response, { session: { token: `token of ${(JSON.parse(request.body) as { user: string }).user}` } });
  else if (request.method === 'POST') answerJson(response, { id: 'post/7' }, 201);
  else answerJson(response, { title: 'hello' });
}

test('logins give tokens, captures feed later steps, and checks are counted', async () => {
  await using server = await startTestServer(answerBlog);
  await using session = await openLoad(blog, { baseUrl: server.baseUrl });
  const logins = server.seen.map((request) => (JSON.parse(request.body) as { user: string }).user);
  expect(logins.toSorted()).toEqual(['user-1', 'user-2', 'user-3']);

  const result = await session.run({ durationMs: 500, seed: 1 });
  const [posts, reads, publicReads] = ['POST /posts', 'GET /posts/{post}', 'GET /public'].map((name) =>
    result.steps.find((step) => step.name === name),
  );
  const iterations = result.startedIterations;
  expect(iterations).toBe(100);
  expect(posts).toMatchObject({ requests: iterations, failedRequests: 0, statuses: { '201': iterations } });
  expect(reads).toMatchObject({ requests: iterations, failedRequests: 0 });
  expect(publicReads).toMatchObject({ requests: iterations });
  // Per iteration: status and capture of the first; default status, JSON and text of the second; default status of the third.
  expect(result).toMatchObject({ requests: 3 * iterations, checks: 6 * iterations, failedChecks: iterations });

  const load = server.seen.slice(3);
  expect(new Set(load.filter((request) => request.path !== '/public').map((request) => request.authorization))).toEqual(
    new Set(['Bearer token of user-1', 'Bearer token of user-2', 'Bearer token of user-3']),
  );
  expect(new Set(load.filter((request) => request.path === '/public').map((request) => request.authorization))).toEqual(new Set([null]));
  expect(load.some((request) => request.path === '/posts/post%2F7')).toBe(true);
});

test('an iteration ends where a value it needs was not in the answer', async () => {
  await using server = await startTestServer((request, response) => {
    if (request.method === 'POST' && request.path === '/posts') answerJson(response, {}, 201);
    else answerBlog(request, response);
  });
  await using session = await openLoad(blog, { baseUrl: server.baseUrl });
  const result = await session.run({ durationMs: 250, seed: 1 });
  expect(result.requests).toBe(result.startedIterations);
  expect(result.failedChecks).toBe(result.startedIterations);
  expect(result.failedRequests).toBe(0);
});

test('tokens of another session spare the login', async () => {
  await using server = await startTestServer(answerBlog);
  await using first = await openLoad(blog, { baseUrl: server.baseUrl });
  server.seen.length = 0;
  await using second = await openLoad(blog, { baseUrl: server.baseUrl, sharedSessions: first.sessions });
  await second.run({ durationMs: 100, seed: 1 });
  expect(server.seen.some((request) => request.path === '/login')).toBe(false);
  expect(server.seen[0]!.authorization).toMatch(/^Bearer token of user-\d$/);
});

test.each([
  ['answers 401', (response: Parameters<typeof answerJson>[0]) => answerJson(response, {}, 401), 'POST /login answered 401'],
  [
    'holds no token',
    (response: Parameters<typeof answerJson>[0]) => answerJson(response, { token: 5 }),
    'holds no text at $.session.token',
  ],
  ['breaks off', (response: Parameters<typeof answerJson>[0]) => void response.destroy(), 'POST /login got no answer'],
])('a login that %s is one clear error', async (_case, answer, message) => {
  await using server = await startTestServer((_request, response) => answer(response));
  const opening = openLoad(blog, { baseUrl: server.baseUrl });
  await expect(opening).rejects.toMatchObject({ code: 'ANNEAL_LOGIN_FAILED', message: expect.stringContaining(message) as string });
});

test('a workload that cannot run is refused before anything is sent', async () => {
  await using server = await startTestServer((_request, response) => response.end());
  const { baseUrl } = server;
  await expect(openLoad(aWorkload({ scenarios: [] }), { baseUrl })).rejects.toMatchObject({ code: 'ANNEAL_WORKLOAD_EMPTY' });
  const broken = aWorkload({ scenarios: [aScenario({ method: 'GET', path: '/{nothing}' })] });
  await expect(openLoad(broken, { baseUrl })).rejects.toMatchObject({ code: 'ANNEAL_WORKLOAD_INVALID' });
  await using session = await openLoad(everything, { baseUrl });
  const run = session.run({ durationMs: 100, seed: 1, executor: { type: 'constant-vus', vus: 0 } });
  await expect(run).rejects.toMatchObject({ code: 'ANNEAL_WORKLOAD_INVALID' });
  expect(server.seen).toEqual([]);
});

test('a backend below a path gets its requests there', async () => {
  await using server = await startTestServer((_request, response) => response.end());
  const workload = aWorkload({ scenarios: [aScenario({ method: 'GET', path: '/posts' })] });
  await using session = await openLoad(workload, { baseUrl: `${server.baseUrl}/api/` });
  await session.replay({ count: 1, seed: 1 });
  expect(server.seen.map((request) => request.path)).toEqual(['/api/posts']);
});

test('a replay sends one request after the other, the same for the same seed, reads only unless told otherwise', async () => {
  let out = 0;
  let most = 0;
  await using server = await startTestServer((_request, response) => {
    out += 1;
    most = Math.max(most, out);
    setImmediate(() => {
      out -= 1;
      response.end();
    });
  });
  await using session = await openLoad(everything, { baseUrl: server.baseUrl });
  const first = await session.replay({ count: 30, seed: 9, steps: 'all' });
  expect(first).toHaveLength(30);
  expect(first.map(({ method, path }) => ({ method, path }))).toEqual(server.seen.map(({ method, path }) => ({ method, path })));
  expect(await session.replay({ count: 30, seed: 9, steps: 'all' })).toEqual(first);
  expect(await session.replay({ count: 30, seed: 9 })).toEqual(first.filter((answer) => answer.method === 'GET'));
  expect(most).toBe(1);
});

test('a replayed answer holds what two arms must agree on, and no credential', async () => {
  await using server = await startTestServer((_request, response) => {
    response.writeHead(201, { ETag: '"1"', 'Set-Cookie': ['session=secret; HttpOnly', 'theme=dark'], 'X-Total': '5' }).end('{"a":1}');
  });
  await using session = await openLoad(aWorkload({ scenarios: [aScenario({ name: 'one', method: 'GET', path: '/a' })] }), {
    baseUrl: server.baseUrl,
  });
  expect(await session.replay({ count: 1, seed: 1 })).toEqual([
    {
      request: 'one',
      method: 'GET',
      path: '/a',
      status: 201,
      headers: { etag: '"1"', 'set-cookie': 'session=…; HttpOnly, theme=…', 'x-total': '5' },
      body: '{"a":1}',
      error: null,
    },
  ]);
});

test('a replay of a target that is gone says so per answer', async () => {
  const server = await startTestServer(() => {});
  await server[Symbol.asyncDispose]();
  await using session = await openLoad(everything, { baseUrl: server.baseUrl });
  const answers = await session.replay({ count: 3, seed: 1, steps: 'all' });
  expect(answers.map(({ status, error }) => ({ status, error }))).toEqual(
    Array.from({ length: 3 }, () => ({ status: 0, error: 'ECONNREFUSED' })),
  );
});
