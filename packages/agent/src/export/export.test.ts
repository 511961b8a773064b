import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { schemaSql } from '../../test/apps/schema.ts';
import { startApp } from '../../test/target.ts';
import { exportSettings } from './export-settings.ts';
import { otlpJson } from './otlp.ts';

const freePort = async () => {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
};
const scrape = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

test('Prometheus reads every request, statement and pool of an application, in a form its own linter accepts', async () => {
  await using database = await createTestDatabase(schemaSql);
  const port = await freePort();
  await using app = await startApp('express.cjs', { DATABASE_URL: database.url, ANNEAL_PROMETHEUS_PORT: String(port) });
  await app.get('/missing/17').then((answer) => answer.text());
  for (let id = 1; id <= 5; id += 1) await app.get(`/authors/${id}`).then((answer) => answer.text());
  const first = await scrape(port);
  await app.get('/authors/6').then((answer) => answer.text());
  const second = await scrape(port);
  const count = (text: string) =>
    Number(/^http_server_request_duration_seconds_count\{[^}]*http_route="\/authors\/:id"\} (\d+)$/m.exec(text)?.[1]);
  expect([count(first), count(second)]).toEqual([5, 6]);
  expect(second).toMatch(/^http_server_request_duration_seconds_bucket\{.*le="\+Inf"\} 6$/m);
  expect(second).toMatch(
    /^anneal_db_statement_calls_total\{db_query_summary="[^"]+",code_file_path="[^"]+express\.cjs",code_line_number="\d+"\} [1-9]/m,
  );
  expect(second).toMatch(/^db_client_connection_max\{.*\} \d+$/m);
  expect(second).toMatch(/^process_cpu_time_seconds_total 0\.\d+/m);
  expect(second).not.toContain('metrics"');
  const linter = spawnSync('promtool', ['--version']);
  if (linter.error === undefined) execFileSync('promtool', ['check', 'metrics'], { input: second });
  else process.stderr.write('SKIPPED: promtool is not installed, so Prometheus itself has not judged the format\n');
  expect(await app.finish()).toBe(0);
});

test('an OTLP receiver gets the same figures, and an application without one is not disturbed', async () => {
  const received: { readonly path: string; readonly body: { readonly resourceMetrics: readonly object[] } }[] = [];
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ path: request.url ?? '', body: JSON.parse(Buffer.concat(chunks).toString()) as (typeof received)[number]['body'] });
      response.end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  await using app = await startApp('bare.mjs', {
    ANNEAL_OTLP_ENDPOINT: endpoint,
    OTEL_SERVICE_NAME: 'bare',
    OTEL_METRIC_EXPORT_INTERVAL: '300',
  });
  await using lonely = await startApp('bare.mjs', {
    ANNEAL_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    OTEL_METRIC_EXPORT_INTERVAL: '100',
  });
  for (let n = 0; n < 3; n += 1) await app.get('/hello').then((answer) => answer.text());
  // Figures are cumulative: a reading after the last request holds them all.
  const sentBefore = received.length;
  while (received.length < sentBefore + 2) await once(receiver, 'request');
  expect(await (await lonely.get('/still-here')).text()).toBe('/still-here');
  await expect.poll(() => lonely.output()).toMatch(/^anneal: figures did not reach http:\/\/127[^ ]+: connect ECONNREFUSED[^\n]*\n$/);
  receiver.closeAllConnections();
  receiver.close();
  const { path, body } = received.at(-1)!;
  expect(path).toBe('/v1/metrics');
  const text = JSON.stringify(body);
  expect(text).toContain('{"key":"service.name","value":{"stringValue":"bare"}}');
  expect(/"http\.server\.request\.duration".*?"count":"(\d+)"/.exec(text)?.[1]).toBe('3');
  expect(await app.finish()).toBe(0);
  expect(await lonely.finish()).toBe(0);
  expect(app.output()).toBe('');
});

test('OTLP counts each value in one bucket, Prometheus in all above it', () => {
  const upTo = [0, 2, 2, 5, ...Array.from({ length: 10 }, () => 6)];
  const point = { attributes: {}, count: 7, sum: 1.5, upTo };
  const text = JSON.stringify(otlpJson([{ name: 'x', description: '', unit: 's', kind: 'histogram', points: [point] }], {}, 0, 1));
  expect(text).toContain('"bucketCounts":["0","2","0","3","1","0","0","0","0","0","0","0","0","0","1"]');
});

test('nothing is exported unless it is asked for in a way that can be meant', () => {
  expect(exportSettings({})).toBeNull();
  const nothing = { prometheusPort: null, otlpEndpoint: null, otlpEveryMs: 60_000, problems: [] };
  expect(exportSettings({ ANNEAL_PROMETHEUS_PORT: '9464' })).toEqual({ ...nothing, prometheusPort: 9464 });
  expect(exportSettings({ ANNEAL_OTLP_ENDPOINT: 'http://collector:4318/' })).toEqual({ ...nothing, otlpEndpoint: 'http://collector:4318' });
  for (const [port, endpoint] of [
    ['yes', 'collector:4318'],
    ['-1', 'http://'],
    ['65536', '//collector'],
  ]) {
    expect(exportSettings({ ANNEAL_PROMETHEUS_PORT: port, ANNEAL_OTLP_ENDPOINT: endpoint })).toEqual({
      ...nothing,
      problems: [expect.stringContaining('ANNEAL_PROMETHEUS_PORT'), expect.stringContaining('ANNEAL_OTLP_ENDPOINT')],
    });
  }
});

test('what is asked for and cannot be is said once on stderr, and the application runs', async () => {
  const port = await freePort();
  await using first = await startApp('bare.mjs', { ANNEAL_PROMETHEUS_PORT: String(port) });
  await expect.poll(() => scrape(port).catch(() => '')).toContain('process_cpu_time_seconds_total');
  await using second = await startApp('bare.mjs', { ANNEAL_PROMETHEUS_PORT: String(port), ANNEAL_OTLP_ENDPOINT: 'collector:4318' });
  await expect.poll(() => second.output()).toMatch(/ANNEAL_OTLP_ENDPOINT is no address[^]*\/metrics is not served: listen EADDRINUSE/);
  expect(await (await second.get('/still-here')).text()).toBe('/still-here');
  expect(first.output()).toBe('');
});

test('of a cluster one worker is read, always the same, and the others say that they are not', async () => {
  const port = await freePort();
  await using app = await startApp('cluster.cjs', { ANNEAL_PROMETHEUS_PORT: String(port) });
  await expect.poll(() => app.output()).toContain('/metrics is not served');
  const cpu = (text: string) => Number(/^process_cpu_time_seconds_total (.*)$/m.exec(text)?.[1]);
  const readings: number[] = [];
  for (let reading = 0; reading < 8; reading += 1) readings.push(cpu(await scrape(port)));
  // A counter that falls is another process's.
  expect(readings).toEqual(readings.toSorted((a, b) => a - b));
});
