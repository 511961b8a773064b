import { expect, test } from 'vitest';
import { createSqlParser } from '../adapters/sql-parser.ts';
import type { Span } from '../ports/traces.ts';
import { summaryOfSpans } from './summary-of-spans.ts';

const parser = await createSqlParser();
let lastId = 0;
const span = (
  parent: Span | null,
  kind: Span['kind'],
  fromMs: number,
  toMs: number,
  attributes: Span['attributes'] = {},
  name = '',
): Span => {
  lastId += 1;
  return {
    traceId: parent?.traceId ?? `t${lastId}`,
    spanId: `s${lastId}`,
    parentSpanId: parent?.spanId ?? null,
    kind,
    name,
    startMs: fromMs,
    endMs: toMs,
    failed: false,
    attributes,
  };
};
const window = { fromMs: 0, toMs: 10_000 };
const sql = (text: string, more: Span['attributes'] = {}): Span['attributes'] => ({
  'db.system.name': 'postgresql',
  'db.query.text': text,
  ...more,
});

test('a loop of statements under one request of a Python backend, at its line, told in the conventions of before', () => {
  const request = span(null, 'server', 100, 200, { 'http.method': 'GET', 'http.route': 'articles/<int:id>/', 'http.status_code': 200 });
  const view = span(request, 'internal', 101, 199);
  const place = { 'code.filepath': '/srv/app/views.py', 'code.lineno': 41, 'code.function': 'show' };
  const loop = Array.from({ length: 5 }, (_, n) =>
    span(view, 'client', 110 + n * 10, 115 + n * 10, {
      'db.system': 'postgresql',
      'db.statement': `SELECT * FROM authors WHERE id = ${n}`,
      ...place,
    }),
  );
  const { routes, statementTexts, gaps } = summaryOfSpans([request, view, ...loop], window, parser);
  expect(routes).toEqual([expect.objectContaining({ method: 'GET', route: '/articles/<int:id>/', requests: 1, errors: 0, queryMs: 25 })]);
  expect(routes[0]!.statements).toEqual([
    expect.objectContaining({
      calls: 5,
      repeatingRequests: 1,
      repeatingCalls: 5,
      distinctParametersShare: 1,
      duplicateCalls: 0,
      overlappingShare: 0,
      location: { file: '/srv/app/views.py', line: 41, column: 0, function: 'show' },
    }),
  ]);
  expect(statementTexts).toHaveLength(1);
  expect(gaps).toEqual([
    'its spans carry no parameters, so a statement that is asked again with the same ones is told as one with new ones',
  ]);
});

test('calls side by side overlap and count once in time; equal parameters are duplicates where spans tell them', () => {
  const request = span(null, 'server', 0, 100, { 'http.request.method': 'GET', 'url.path': '/orders/17' });
  const calls = [1, 2, 2, 3].map((id) => span(request, 'client', 10, 30, sql('SELECT 1 WHERE id = $1', { 'db.query.parameter.0': id })));
  const [route] = summaryOfSpans([request, ...calls], window, parser).routes;
  expect(route).toMatchObject({ route: '/orders/:id', queryMs: 20 });
  expect(route!.statements[0]).toMatchObject({
    calls: 4,
    duplicateCalls: 1,
    distinctParametersShare: 0.75,
    overlappingShare: 0.75,
    totalMs: 80,
  });
});

test('outgoing HTTP and Redis are told by peer and operation, without what identifies a person', () => {
  const request = span(null, 'server', 0, 100, { 'http.request.method': 'POST', 'http.route': '/pay' });
  const spans = [
    request,
    ...[7, 8, 9].map((id, n) =>
      span(request, 'client', n * 20, n * 20 + 10, {
        'http.request.method': 'GET',
        'url.full': `https://users.example/v1/users/${id}?token=x`,
      }),
    ),
    span(
      request,
      'client',
      70,
      72,
      { 'db.system': 'redis', 'server.address': 'cache', 'server.port': 6379, 'db.statement': 'GET session:9' },
      'GET',
    ),
  ];
  const [route] = summaryOfSpans(spans, window, parser).routes;
  expect(route).toMatchObject({ outgoingMs: 30, redisMs: 2 });
  expect(
    route!.outgoing.map(({ kind, peer, operation, calls, distinctCallsShare }) => ({ kind, peer, operation, calls, distinctCallsShare })),
  ).toEqual([
    { kind: 'http', peer: 'users.example', operation: 'GET /v1/users/:id', calls: 3, distinctCallsShare: 1 },
    { kind: 'redis', peer: 'cache:6379', operation: 'GET', calls: 1, distinctCallsShare: 0 },
  ]);
  expect(JSON.stringify(route)).not.toContain('token');
});

test('a driver below an ORM counts once, a service below another is another request, and a late answer is no request of this window', () => {
  const early = span(null, 'server', -50, 20, { 'http.request.method': 'GET', 'http.route': '/early' });
  const request = span(null, 'server', 10, 90, { 'http.request.method': 'GET', 'http.route': '/a' });
  const orm = span(request, 'client', 20, 40, sql('SELECT 1'));
  const driver = span(orm, 'client', 21, 39, sql('SELECT 1'));
  const call = span(request, 'client', 50, 80, { 'http.request.method': 'GET', 'url.full': 'http://b/x' });
  const other = span(call, 'server', 51, 79, { 'http.request.method': 'GET', 'http.route': '/x' });
  const theirs = span(other, 'client', 55, 60, sql('SELECT 2'));
  const { routes, gaps } = summaryOfSpans(
    [early, span(early, 'client', 1, 2, sql('SELECT 3')), request, orm, driver, call, other, theirs],
    window,
    parser,
  );
  expect(routes.map(({ route, statements }) => [route, statements.map(({ calls }) => calls)])).toEqual([
    ['/a', [1]],
    ['/x', [1]],
  ]);
  expect(gaps).toContain('1 statements belong to requests that began outside of the window');
});
