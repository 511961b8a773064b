import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { importTraffic } from './import-traffic.ts';
import { stagesDurationMs } from './workload/arrival-schedule.ts';
import { openLoad } from './workload/load-session.ts';
import { validateWorkload } from './workload/workload-problems.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const file = async (name: string, content: unknown) => {
  const path = join(folder, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

const harEntry = (atMs: number, method: string, url: string, more: object = {}, status = 200) => ({
  startedDateTime: new Date(Date.UTC(2026, 4, 3) + atMs).toISOString(),
  request: { method, url, headers: [], cookies: [], ...more },
  response: { status },
});

test('a HAR is played to a server as it was recorded: the same addresses in the same order', async () => {
  const sent = [
    [0, '/items/7?sort=price'],
    [40, '/items/9?sort=name'],
    [55, '/tags/caf%C3%A9%20noir'],
    [300, '/items/7?sort=price'],
    [310, '/search?q=a%26b&page=2'],
  ] as const;
  const archive = { log: { entries: sent.map(([atMs, target]) => harEntry(atMs, 'GET', `https://shop.example${target}`)) } };
  const { workload, requests, problems } = await importTraffic([await file('shop.har', archive)]);
  expect({ requests, problems, invalid: validateWorkload(workload) }).toEqual({ requests: 5, problems: [], invalid: [] });

  const received: string[] = [];
  const server = createServer((request, response) => {
    received.push(request.url ?? '');
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await using load = await openLoad(workload, { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  const result = await load.run({ durationMs: stagesDurationMs(workload.executor)!, seed: 5 });
  server.close();
  const plain = (target: string) => decodeURIComponent(target.replaceAll('+', ' '));
  expect(received.map(plain)).toEqual(sent.map(([, target]) => plain(target)));
  expect(result.failedRequests).toBe(0);
});

test('credentials, secrets and requests of others stay out; what is left out is told without a value', async () => {
  const cookie = { headers: [{ name: 'Authorization', value: 'Bearer very-secret' }] };
  const archive = {
    log: {
      entries: [
        harEntry(0, 'GET', 'https://api.example/orders?token=very-secret&page=1', cookie),
        harEntry(10, 'GET', 'https://api.example/orders?token=other-secret&page=2', cookie),
        harEntry(20, 'GET', 'https://elsewhere.example/track?user=anna'),
        harEntry(30, 'POST', 'https://api.example/login', {
          postData: { mimeType: 'application/json', text: '{"email":"a@b.example","password":"very-secret"}' },
        }),
        harEntry(40, 'OPTIONS', 'https://api.example/orders'),
        harEntry(50, 'GET', 'https://api.example/missing', {}, 404),
        { ...harEntry(60, 'GET', 'https://api.example/logo.svg'), _fromCache: 'disk' },
      ],
    },
  };
  const path = await file('shop.har', archive);
  const reading = await importTraffic([path]);
  expect(reading.workload.scenarios).toEqual([
    { name: 'GET /orders', weight: 2, steps: [{ method: 'GET', path: '/orders?token=redacted&page={orders_page}' }] },
  ]);
  expect(JSON.stringify(reading)).not.toMatch(/very-secret|other-secret|anna|a@b/);
  expect(reading.problems).toEqual([
    "1 requests were answered by the browser's cache and left out",
    '1 requests go elsewhere than to https://api.example and were left out',
    '1 requests are neither GET, POST, PUT, PATCH nor DELETE and were left out',
    '1 requests were answered with 400 or above and left out',
    '1 requests may write and were left out; --writes takes them',
    '2 of 2 requests carried credentials, which are never taken over: give the workload a `login`',
  ]);

  const writing = await importTraffic([path], { writes: true });
  expect(writing.workload.scenarios.map(({ name }) => name)).toEqual(['GET /orders', 'POST /login']);
  expect(writing.workload.scenarios[1]!.steps[0]!.body).toEqual({ email: '{body_email}', password: '{body_password}' });
  expect(JSON.stringify(writing)).not.toMatch(/very-secret|a@b/);
});

test('bodies that change become variables, and each recorded arrival has its own values', async () => {
  const post = (atMs: number, item: number) =>
    harEntry(atMs, 'POST', 'https://api.example/orders', {
      postData: { text: JSON.stringify({ item, gift: false, note: 'as ever', lines: [{ n: item * 2 }] }) },
    });
  const { workload } = await importTraffic([await file('a.har', { log: { entries: [post(0, 4), post(100, 5)] } })], { writes: true });
  expect(workload.scenarios[0]!.steps[0]!.body).toEqual({
    item: '{body_item}',
    gift: false,
    note: 'as ever',
    lines: [{ n: '{body_lines_0_n}' }],
  });
  expect(workload.executor).toEqual({
    type: 'recorded-arrivals',
    lengthMs: 200,
    arrivals: [
      { atMs: 0, scenario: 'POST /orders', values: { body_item: 4, body_lines_0_n: 8 } },
      { atMs: 100, scenario: 'POST /orders', values: { body_item: 5, body_lines_0_n: 10 } },
    ],
  });
});

const combined = (second: number, line: string, status = 200) =>
  `203.0.113.9 - - [03/May/2026:14:00:0${second} +0200] "${line} HTTP/1.1" ${status} 512 "-" "curl/8"`;
const forms: Readonly<Record<string, string>> = {
  'nginx, combined': [combined(1, 'GET /u/1'), combined(1, 'GET /u/2'), combined(3, 'GET /u/3'), 'rubbish'].join('\n'),
  'nginx, JSON': [1, 2, 3]
    .map((n) =>
      JSON.stringify({ time_iso8601: `2026-05-03T14:00:0${n}.5+02:00`, request_method: 'GET', request_uri: `/u/${n}`, status: '200' }),
    )
    .join('\n'),
  'pino-http': [1, 2, 3]
    .map((n) =>
      JSON.stringify({ level: 30, time: 1_777_000_000_000 + n, req: { method: 'GET', url: `/u/${n}` }, res: { statusCode: 200 } }),
    )
    .join('\n'),
  Caddy: [1, 2, 3]
    .map((n) => JSON.stringify({ ts: 1_777_000_000.25 + n, request: { method: 'GET', uri: `/u/${n}`, host: 'x' }, status: 200 }))
    .join('\n'),
  Traefik: [1, 2, 3]
    .map((n) =>
      JSON.stringify({ StartUTC: `2026-05-03T14:00:0${n}.123456Z`, RequestMethod: 'GET', RequestPath: `/u/${n}`, DownstreamStatus: 200 }),
    )
    .join('\n'),
  'Google Cloud': [1, 2, 3]
    .map((n) =>
      JSON.stringify({
        timestamp: `2026-05-03T14:00:0${n}Z`,
        httpRequest: { requestMethod: 'GET', requestUrl: `https://api.example/u/${n}`, status: 200 },
      }),
    )
    .join('\n'),
};

test.each(Object.entries(forms))('an access log of %s is one route with three arrivals in order', async (_name, text) => {
  const { workload } = await importTraffic([await file('access.log', text)]);
  expect(workload.scenarios).toEqual([{ name: 'GET /u/:id', weight: 3, steps: [{ method: 'GET', path: '/u/{u_id}' }] }]);
  expect(validateWorkload(workload)).toEqual([]);
  if (workload.executor.type !== 'recorded-arrivals') throw new Error(workload.executor.type);
  expect(workload.executor.arrivals.map(({ values }) => values)).toEqual([{ u_id: '1' }, { u_id: '2' }, { u_id: '3' }]);
});

test('requests of one whole second are spread over it, not sent at once', async () => {
  const { workload, problems } = await importTraffic([await file('access.log', forms['nginx, combined']!)]);
  if (workload.executor.type !== 'recorded-arrivals') throw new Error(workload.executor.type);
  expect(workload.executor.arrivals.map(({ atMs }) => atMs)).toEqual([0, 500, 2250]);
  expect(problems).toEqual([
    '1 of 4 lines are no requests and were left out',
    'its times are whole seconds: the requests of a second are spread evenly over it',
  ]);
});

test('names at one position of a path are routes while they are few, and data when they are many', async () => {
  const paths = [
    ...Array.from({ length: 30 }, (_, n) => `/topics/word${'abcdefghijklmnopqrstuvwxyzABCD'[n]}/posts`),
    '/health',
    '/metrics',
  ];
  const log = paths.map((path, index) => combined(index % 9, `GET ${path}`)).join('\n');
  const { workload } = await importTraffic([await file('access.log', log)]);
  expect(workload.scenarios.map(({ name, weight }) => `${weight} ${name}`).toSorted()).toEqual([
    '1 GET /health',
    '1 GET /metrics',
    '30 GET /topics/:id/posts',
  ]);
});

const api = `openapi: 3.1.0
servers: [{ url: https://api.example/v2 }]
paths:
  /pets/{petId}:
    parameters:
      - { name: petId, in: path, required: true, schema: { $ref: '#/components/schemas/PetId' } }
    get:
      operationId: showPet
      parameters: [{ name: verbose, in: query, schema: { type: boolean } }]
    delete: { operationId: dropPet }
  /pets:
    get:
      parameters: [{ name: limit, in: query, required: true, schema: { type: integer, enum: [10, 50] } }]
  /owners/{id}: { get: {} }
components: { schemas: { PetId: { type: integer, minimum: 5, maximum: 90 } } }
`;

test('an OpenAPI document gives its reading operations, with values from its examples and bounds', async () => {
  const { workload, problems } = await importTraffic([await file('api.yaml', api)]);
  expect(workload.scenarios.map(({ name, steps }) => [name, steps[0]!.path])).toEqual([
    ['showPet', '/v2/pets/{pets_petId}'],
    ['GET /pets', '/v2/pets?limit={pets_limit}'],
    ['GET /owners/{id}', '/v2/owners/{owners_id}'],
  ]);
  expect(workload.variables).toEqual({
    pets_petId: { type: 'integer', min: 5, max: 90 },
    pets_limit: { type: 'one-of', values: [10, 50] },
    owners_id: { type: 'integer', min: 1, max: 100 },
  });
  expect(validateWorkload(workload)).toEqual([]);
  expect(problems).toEqual([
    'GET /owners/{id}: nothing says what id may be; owners_id is guessed as 1 to 100',
    '1 described requests may write and were left out; --writes takes them',
    'nothing says how many requests come: 20 a second are assumed; --rate changes it',
  ]);
});

const k6 = `import http from 'k6/http';
const BASE = __ENV.BASE;
export const options = {
  scenarios: { peak: { executor: 'ramping-arrival-rate', startRate: 60, timeUnit: '1m', preAllocatedVUs: 10,
    stages: [{ target: 120, duration: '1m30s' }, { target: 0, duration: '500ms' }] } },
  thresholds: { http_req_duration: ['p(95)<300', { threshold: 'p(99)<900', abortOnFail: true }], my_trend: ['avg<5'] },
  userAgent: makeAgent(),
};
export default function () {
  http.get(\`\${BASE}/catalogue?page=1\`);
  http.post('https://api.example/orders', '{}');
  http.get(BASE + '/computed');
}`;

test('a k6 script gives its rate, its thresholds and its written addresses, without being run', async () => {
  const { workload, problems } = await importTraffic([await file('peak.js', k6)]);
  expect(workload.executor).toEqual({
    type: 'ramping-arrival-rate',
    startRatePerSecond: 1,
    stages: [
      { durationMs: 90_000, targetRatePerSecond: 2 },
      { durationMs: 500, targetRatePerSecond: 0 },
    ],
    arrivals: 'even',
  });
  expect(workload.thresholds).toEqual({ http_req_duration: ['p(95)<300', 'p(99)<900'] });
  expect(workload.scenarios.map(({ name }) => name)).toEqual(['GET /catalogue?page=1']);
  expect(problems).toEqual([
    'options.userAgent is computed and was left out',
    'the threshold on my_trend has no counterpart and was left out',
    '1 requests have a computed address and were left out',
    '1 described requests may write and were left out; --writes takes them',
  ]);
});

test("a script's rate goes with a log's requests", async () => {
  const { workload } = await importTraffic([await file('peak.js', k6), await file('access.log', forms['Caddy']!)]);
  expect(workload.executor.type).toBe('ramping-arrival-rate');
  expect(workload.scenarios.map(({ name, weight }) => `${weight} ${name}`)).toEqual(['3 GET /u/:id', '1 GET /catalogue?page=1']);
});

test.each([
  ['no file', async () => join(folder, 'none.har'), 'ENOENT'],
  ['a file of no known format', () => file('notes.txt', 'dear diary'), 'none of har, k6, openapi, access-log'],
  ['a HAR without entries', () => file('x.har', { log: {} }), 'not an HTTP Archive'],
  ['half a HAR', () => file('y.har', '{"log":{"entries":[{"request":'), 'not the whole of a JSON document'],
  ['a broken OpenAPI document', () => file('api.yaml', 'openapi: 3.0.0\npaths:\n  /x: [\n'), /^[^\n]*at line 4, column 1$/],
  ['a broken script', () => file('x.js', "import http from 'k6/http'; export const options = {"), 'no JavaScript'],
])('%s is refused with one clear error', async (_name, make, words) => {
  await expect(importTraffic([await make()])).rejects.toMatchObject({
    code: 'ANNEAL_TRAFFIC_UNREADABLE',
    message: expect.stringMatching(words) as unknown,
  });
});

test('a log of nothing but writes leaves an empty workload, and says how to take them', async () => {
  await expect(importTraffic([await file('access.log', combined(1, 'DELETE /u/1', 204))])).rejects.toMatchObject({
    code: 'ANNEAL_WORKLOAD_EMPTY',
    message: expect.stringContaining('only GET was asked for') as unknown,
  });
});
