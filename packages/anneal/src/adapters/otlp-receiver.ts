import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import protobuf from 'protobufjs';
import { z } from 'zod';
import { AnnealError } from '../errors.ts';
import type { Span, TraceListener, Traces } from '../ports/traces.ts';

/** Some 200 MB; a window of half a minute at 1,000 requests a second with ten spans each is 300,000. */
const mostSpans = 400_000;
/** The collector's own limit for one request, 20 MiB, and room for what is compressed. */
const largestBody = 64 * 1024 * 1024;

/** The fields of opentelemetry-proto 1.x that are read; others are skipped, as protobuf has it. */
const { root } = protobuf.parse(`
syntax = "proto3";
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message KeyValue { string key = 1; AnyValue value = 2; }
message Status { int32 code = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9; Status status = 15;
}
message ScopeSpans { repeated Span spans = 2; }
message ResourceSpans { repeated ScopeSpans scope_spans = 2; }
message Request { repeated ResourceSpans resource_spans = 1; }`);
const requestType = root.lookupType('Request');

const id = z.string();
const anyValue = z.looseObject({
  stringValue: z.string().optional(),
  boolValue: z.boolean().optional(),
  intValue: z.union([z.string(), z.number()]).optional(),
  doubleValue: z.number().optional(),
});

/** The JSON form, OTLP 1.x section "JSON Protobuf Encoding"; what protobuf decodes to has the same shape. */
const exportRequest = z.looseObject({
  resourceSpans: z
    .array(
      z.looseObject({
        scopeSpans: z
          .array(
            z.looseObject({
              spans: z
                .array(
                  z.looseObject({
                    traceId: id,
                    spanId: id,
                    parentSpanId: id.optional(),
                    name: z.string().default(''),
                    kind: z.number().default(0),
                    startTimeUnixNano: z.union([z.string(), z.number()]),
                    endTimeUnixNano: z.union([z.string(), z.number()]),
                    attributes: z.array(z.looseObject({ key: z.string(), value: anyValue.optional() })).default([]),
                    status: z.looseObject({ code: z.number().default(0) }).optional(),
                  }),
                )
                .default([]),
            }),
          )
          .default([]),
      }),
    )
    .default([]),
});

type SentSpan = z.infer<typeof exportRequest>['resourceSpans'][number]['scopeSpans'][number]['spans'][number];

/** OTLP/HTTP: protobuf and JSON, plain or gzip. Metrics and logs are taken and let go, so that exporters stay quiet. */
export function createTraces(): Traces {
  return { listen };
}

async function listen(port: number): Promise<TraceListener> {
  let spans: Span[] = [];
  let dropped = 0;
  let lastArrivedMs = performance.now();
  const server = createServer((request, response) => {
    const isJson = (request.headers['content-type'] ?? '').includes('json');
    bodyOf(request)
      .then((body) => {
        if (request.method !== 'POST' || !/^\/v1\/\w+$/.test(request.url ?? '')) return response.writeHead(404).end();
        if (request.url === '/v1/traces') {
          lastArrivedMs = performance.now();
          for (const span of spansOf(isJson ? (JSON.parse(body.toString('utf8')) as unknown) : decoded(body))) {
            if (spans.length < mostSpans) spans.push(span);
            else dropped += 1;
          }
        }
        return response.writeHead(200, { 'content-type': isJson ? 'application/json' : 'application/x-protobuf' }).end(isJson ? '{}' : '');
      })
      // The exporter tells its owner; it is not the backend's fault that it was not understood.
      .catch(() => response.writeHead(400).end());
  });
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new AnnealError('ANNEAL_PORT_TAKEN', { port, problem: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = { spans, dropped };
      spans = [];
      dropped = 0;
      return taken;
    },
    async settled(quietMs, patienceMs) {
      const givesUpMs = performance.now() + patienceMs;
      lastArrivedMs = Math.max(lastArrivedMs, performance.now() - quietMs + 1);
      while (performance.now() < Math.min(lastArrivedMs + quietMs, givesUpMs)) await sleep(20);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestBody) throw new Error('too large');
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body, { maxOutputLength: largestBody }) : body;
}

function decoded(body: Buffer): unknown {
  const options = { longs: String, bytes: String, defaults: false };
  const message = requestType.toObject(requestType.decode(body), options) as { readonly resourceSpans?: readonly unknown[] };
  // In JSON identifiers are hexadecimal; protobufjs gives bytes as base64.
  return JSON.parse(JSON.stringify(message), (key, value: unknown) =>
    /^(?:traceId|spanId|parentSpanId)$/.test(key) && typeof value === 'string' ? Buffer.from(value, 'base64').toString('hex') : value,
  );
}

const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const satisfies readonly Span['kind'][];
const statusError = 2;

function spansOf(body: unknown): readonly Span[] {
  const parsed = exportRequest.parse(body);
  return parsed.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map(spanOf)));
}

function spanOf(sent: SentSpan): Span {
  return {
    traceId: sent.traceId.toLowerCase(),
    spanId: sent.spanId.toLowerCase(),
    parentSpanId: sent.parentSpanId === undefined || /^0*$/.test(sent.parentSpanId) ? null : sent.parentSpanId.toLowerCase(),
    kind: kinds[sent.kind] ?? 'internal',
    name: sent.name,
    startMs: milliseconds(sent.startTimeUnixNano),
    endMs: milliseconds(sent.endTimeUnixNano),
    failed: sent.status?.code === statusError,
    attributes: Object.fromEntries(
      sent.attributes.flatMap(({ key, value }): [string, string | number | boolean][] => {
        const given =
          value?.stringValue ??
          value?.boolValue ??
          value?.doubleValue ??
          (value?.intValue === undefined ? undefined : Number(value.intValue));
        return given === undefined ? [] : [[key, given]];
      }),
    ),
  };
}

/** Nanoseconds since 1970 do not fit a number exactly: microseconds do. */
function milliseconds(nanoseconds: string | number): number {
  return Number(BigInt(nanoseconds) / 1000n) / 1000;
}
