import { Pool, type Dispatcher } from 'undici';

export interface HttpRequest {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  /** Name and value in turn. */
  readonly headers: readonly string[];
  readonly body: string | null;
}

export interface Answer {
  /** 0 when there was none; `error` then says why. */
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Empty when it was not asked for. */
  readonly body: string;
  readonly bodyBytes: number;
  /** A code such as `ECONNREFUSED`; null when the answer came whole. */
  readonly error: string | null;
  /** `performance.now()` at the last byte, or at the error. */
  readonly endedAt: number;
}

export interface HttpClient {
  /** Never rejects: what went wrong is in the answer. Sends in the same turn when a connection is free. */
  send(request: HttpRequest, keepBody: boolean): Promise<Answer>;
  /** Ends every request still out; each answers with `code` as its error. */
  abandon(code: string): void;
  close(): Promise<void>;
}

/**
 * undici's `dispatch`, the layer below `request` and `fetch`: a third of the CPU of `http.request` per
 * request. One request at a time per connection, as browsers and most clients do it.
 */
export function httpClient(baseUrl: string, options: { readonly connections: number; readonly timeoutMs: number }): HttpClient {
  const url = new URL(baseUrl);
  const prefix = url.pathname.replace(/\/$/, '');
  const pool = new Pool(url.origin, {
    connections: options.connections,
    pipelining: 1,
    allowH2: false,
    headersTimeout: options.timeoutMs,
    bodyTimeout: options.timeoutMs,
    // Connections stay warm between slices; a server that closes earlier says so in its Keep-Alive header.
    keepAliveTimeout: 60_000,
  });
  const out = new Set<Exchange>();
  return {
    send: (request, keepBody) =>
      new Promise((resolve) => {
        const exchange = new Exchange(keepBody, (answer) => {
          out.delete(exchange);
          resolve(answer);
        });
        out.add(exchange);
        const { method, headers, body } = request;
        pool.dispatch({ method, path: prefix + request.path, headers: headers as string[], body }, exchange);
      }),
    abandon(code) {
      for (const exchange of out) exchange.abandon(code);
    },
    close: () => pool.destroy(),
  };
}

/** One request under way. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #keepBody: boolean;
  readonly #end: (answer: Answer) => void;
  #controller: Dispatcher.DispatchController | null = null;
  #abandoned: string | null = null;
  #ended = false;
  #status = 0;
  #headers: Answer['headers'] = {};
  #bodyBytes = 0;
  readonly #chunks: Buffer[] = [];

  constructor(keepBody: boolean, end: (answer: Answer) => void) {
    this.#keepBody = keepBody;
    this.#end = end;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#abandoned !== null) controller.abort(new Error(this.#abandoned));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Answer['headers']): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bodyBytes += chunk.length;
    if (this.#keepBody) this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#finish(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error & { readonly code?: unknown }): void {
    this.#finish(this.#abandoned ?? (typeof error.code === 'string' ? error.code : error.name));
  }

  /** A request that still waits for its connection has no controller yet: it ends now and is aborted when it would start. */
  abandon(code: string): void {
    this.#abandoned = code;
    this.#controller?.abort(new Error(code));
    this.#finish(code);
  }

  #finish(error: string | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#end({
      status: error === null ? this.#status : 0,
      headers: this.#headers,
      body: this.#keepBody ? Buffer.concat(this.#chunks).toString('utf8') : '',
      bodyBytes: this.#bodyBytes,
      error,
      endedAt: performance.now(),
    });
  }
}
