/** One finished piece of work, as OpenTelemetry tells it. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** Null at the beginning of a trace. */
  readonly parentSpanId: string | null;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly name: string;
  /** Milliseconds since 1970, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/** Somewhere a backend of any language exports its traces to. */
export interface TraceListener extends AsyncDisposable {
  /** `http://127.0.0.1:4318`, for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  /** What has arrived since last asked, and how many spans were let go to stay within memory. */
  take(): { readonly spans: readonly Span[]; readonly dropped: number };
  /** Resolves once nothing has arrived for `quietMs`, at the latest after `patienceMs`. */
  settled(quietMs: number, patienceMs: number): Promise<void>;
}

export interface Traces {
  /** Listens on this machine only. Throws ANNEAL_PORT_TAKEN; `port` 0 takes one that is free. */
  listen(port: number): Promise<TraceListener>;
}
