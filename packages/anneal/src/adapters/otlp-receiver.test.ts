import { gzipSync } from 'node:zlib';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { expect, test } from 'vitest';
import { createTraces } from './otlp-receiver.ts';

test.each([
  ['JSON', (url: string) => new JsonExporter({ url })],
  ['protobuf', (url: string) => new ProtobufExporter({ url })],
  ['protobuf, gzip', (url: string) => new ProtobufExporter({ url, compression: CompressionAlgorithm.GZIP })],
])("OpenTelemetry's own exporter in %s: spans arrive as they were", async (_name, exporterTo) => {
  await using listener = await createTraces().listen(0);
  const provider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter: exporterTo(`${listener.endpoint}/v1/traces`) })],
  });
  const tracer = provider.getTracer('test');
  const startedMs = Date.now();
  const server = tracer.startSpan('GET /users/:id', {
    kind: SpanKind.SERVER,
    startTime: startedMs,
    attributes: { 'http.route': '/users/:id', 'http.response.status_code': 500 },
  });
  const context = trace.setSpan(ROOT_CONTEXT, server);
  const query = tracer.startSpan(
    'SELECT users',
    {
      kind: SpanKind.CLIENT,
      startTime: startedMs + 1,
      attributes: { 'db.query.text': 'SELECT $1', 'db.response.returned_rows': 3, 'db.cached': true },
    },
    context,
  );
  query.end(startedMs + 2.25);
  server.setStatus({ code: SpanStatusCode.ERROR });
  server.end(startedMs + 4);
  await provider.forceFlush();
  await listener.settled(50, 2000);
  const { spans, dropped } = listener.take();
  await provider.shutdown();
  expect(dropped).toBe(0);
  expect(spans.toSorted((a, b) => a.startMs - b.startMs)).toEqual([
    expect.objectContaining({
      kind: 'server',
      name: 'GET /users/:id',
      parentSpanId: null,
      startMs: startedMs,
      failed: true,
      attributes: { 'http.route': '/users/:id', 'http.response.status_code': 500 },
    }),
    expect.objectContaining({
      kind: 'client',
      parentSpanId: server.spanContext().spanId,
      traceId: server.spanContext().traceId,
      startMs: startedMs + 1,
      failed: false,
      attributes: { 'db.query.text': 'SELECT $1', 'db.response.returned_rows': 3, 'db.cached': true },
    }),
  ]);
  expect(spans.find(({ kind }) => kind === 'client')!.endMs).toBeCloseTo(startedMs + 2.25, 2);
});

test('what is no trace is refused, metrics and logs are taken and let go, and nothing breaks the listener', async () => {
  await using listener = await createTraces().listen(0);
  const send = async (path: string, body: string | Buffer, headers: Readonly<Record<string, string>> = {}) =>
    (await fetch(`${listener.endpoint}${path}`, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers })).status;
  const json = { 'content-type': 'application/json' };
  expect(await send('/v1/traces', 'no json', json)).toBe(400);
  expect(await send('/v1/traces', '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":7}]}]}]}', json)).toBe(400);
  expect(await send('/v1/traces', Buffer.from([255, 255, 255, 1]))).toBe(400);
  expect(await send('/v1/traces', 'not gzip', { ...json, 'content-encoding': 'gzip' })).toBe(400);
  expect(await send('/v1/traces', gzipSync('{}'), { ...json, 'content-encoding': 'gzip' })).toBe(200);
  expect(await send('/v1/metrics', '{}', json)).toBe(200);
  expect(await send('/elsewhere', '{}', json)).toBe(404);
  expect(listener.take().spans).toEqual([]);
});

test('a port that somebody has is told', async () => {
  await using listener = await createTraces().listen(0);
  await expect(createTraces().listen(Number(new URL(listener.endpoint).port))).rejects.toMatchObject({ code: 'ANNEAL_PORT_TAKEN' });
});
