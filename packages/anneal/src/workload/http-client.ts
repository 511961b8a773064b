import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
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
  /** Decoded where it was sent compressed; empty when it was not asked for. */
  readonly body: string;
  /** As they came over the connection. */
  readonly bodyBytes: number;
  /** A code such as `ECONNREFUSED`; null when the answer came whole. */
  readonly error: string | null;
  /** `performance.now()` at the last byte, or at the error. */
  readonly endedAt: number;
}

export interface HttpClient {
  /** Never rejects: what went wrong is in the answer. Sends in the same turn when a connection is free. */
  send(request: HttpRequest, keepBody: boolean): Promise<Answer>;
  /** From now on those of this name send: they remember what they were given themselves, and nothing that others were. */
  sendAs(clients: string): void;
  /** Ends every request still out; each answers with `code` as its error. */
  abandon(code: string): void;
  close(): Promise<void>;
}

export interface HttpClientOptions {
  readonly connections: number;
  readonly timeoutMs: number;
  /** Asks with If-None-Match for what it was given a tag of before, as browsers do. Default false. */
  readonly revalidates?: boolean;
}

/**
 * undici's `dispatch`, the layer below `request` and `fetch`: a third of the CPU of `http.request` per
 * request. One request at a time per connection, as browsers and most clients do it.
 */
export function httpClient(baseUrl: string, options: HttpClientOptions): HttpClient {
  const client = plainClient(baseUrl, options);
  return options.revalidates === true ? revalidating(client) : client;
}

function plainClient(baseUrl: string, options: HttpClientOptions): HttpClient {
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
  const out = new ExchangesOut();
  return {
    send: (request, keepBody) =>
      new Promise((resolve) => {
        const { method, headers, body } = request;
        const exchange = new Exchange(keepBody, out, resolve);
        pool.dispatch({ method, path: prefix + request.path, headers: headers as string[], body }, exchange);
      }),
    sendAs: () => undefined,
    abandon: (code) => out.abandon(code),
    close: () => pool.destroy(),
  };
}

/** The requests under way: an array that a leaving one hands its place to the last, so that nothing is searched or rehashed. */
class ExchangesOut {
  readonly #exchanges: Exchange[] = [];

  /** Gives the place to leave from. */
  enter(exchange: Exchange): number {
    return this.#exchanges.push(exchange) - 1;
  }

  leave(place: number): void {
    const last = this.#exchanges.pop()!;
    if (last.place === place) return;
    this.#exchanges[place] = last;
    last.place = place;
  }

  /** Each leaves as it is abandoned. */
  abandon(code: string): void {
    for (let last = this.#exchanges.at(-1); last !== undefined; last = this.#exchanges.at(-1)) last.abandon(code);
  }
}

/** Far more addresses than a workload has; the first ones are asked for whole again. */
const mostTags = 10_000;

/** Whoever sends sees what he would have seen without, as in a browser: 304 stands for the answer that is there. What is wanted with its body is asked for whole. */
function revalidating(client: HttpClient): HttpClient {
  let tags = new Map<string, string>();
  const remembered = new Map<string, typeof tags>();
  return {
    ...client,
    sendAs(clients) {
      tags = remembered.get(clients) ?? new Map<string, string>();
      remembered.set(clients, tags);
    },
    async send(request, keepBody) {
      if (keepBody || request.method !== 'GET' || request.headers.includes('if-none-match')) return client.send(request, keepBody);
      const key = [request.path, ...request.headers].join('\n');
      const tag = tags.get(key);
      const answer = await client.send(
        tag === undefined ? request : { ...request, headers: [...request.headers, 'if-none-match', tag] },
        false,
      );
      const { etag } = answer.headers;
      if (typeof etag === 'string') {
        if (tags.size >= mostTags) tags.clear();
        tags.set(key, etag);
      } else if (answer.status === 200) tags.delete(key);
      return tag !== undefined && answer.status === 304 ? { ...answer, status: 200 } : answer;
    },
  };
}

const decoders: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  deflate: inflateSync,
  zstd: zstdDecompressSync,
};

/** What was said, whatever coding it was sent in: values are captured and answers compared as they mean. Null: it is not what its header says. */
function decoded(body: Buffer, coding: string | string[] | undefined): Buffer | null {
  const decode = typeof coding === 'string' ? decoders[coding.toLowerCase()] : undefined;
  if (decode === undefined || body.length === 0) return body;
  try {
    return decode(body);
  } catch {
    return null;
  }
}

/** One request under way; once ended, its answer. */
class Exchange implements Dispatcher.DispatchHandler, Answer {
  status = 0;
  headers: Answer['headers'] = {};
  body = '';
  bodyBytes = 0;
  error: string | null = null;
  endedAt = 0;
  /** Among the requests under way. */
  place: number;
  readonly #out: ExchangesOut;
  readonly #chunks: Buffer[] | null;
  readonly #resolve: (answer: Answer) => void;
  #controller: Dispatcher.DispatchController | null = null;

  constructor(keepBody: boolean, out: ExchangesOut, resolve: (answer: Answer) => void) {
    this.#chunks = keepBody ? [] : null;
    this.#out = out;
    this.#resolve = resolve;
    this.place = out.enter(this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.error !== null) controller.abort(new Error(this.error));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Answer['headers']): void {
    this.status = status;
    this.headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bodyBytes += chunk.length;
    this.#chunks?.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#chunks !== null) {
      const body = decoded(Buffer.concat(this.#chunks), this.headers['content-encoding']);
      if (body === null) {
        this.#fail('UNDECODABLE');
        return;
      }
      this.body = body.toString('utf8');
    }
    this.#end();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error & { readonly code?: unknown }): void {
    this.#fail(typeof error.code === 'string' ? error.code : error.name);
  }

  /** A request that still waits for its connection has no controller yet: it ends now and is aborted when it would start. */
  abandon(code: string): void {
    this.#fail(code);
    this.#controller?.abort(new Error(code));
  }

  #fail(code: string): void {
    if (this.endedAt > 0) return;
    this.status = 0;
    this.error = code;
    this.#end();
  }

  #end(): void {
    if (this.endedAt > 0) return;
    this.endedAt = performance.now();
    this.#out.leave(this.place);
    this.#resolve(this);
  }
}
