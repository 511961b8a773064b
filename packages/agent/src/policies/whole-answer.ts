import type { IncomingMessage, OutgoingHttpHeader, ServerResponse } from 'node:http';
import { ServerResponse as Response } from 'node:http';
import { wrapMethod, type Method } from '../hooks/patch.ts';

/** An answer to a GET that the application hands over in one piece, at the moment it does: nothing of it is sent yet. */
export interface WholeAnswer {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
  /** Its `Content-Type` without parameters, lower case; empty where there is none. */
  readonly type: string;
  /** As the application sees it from now on: ended. What it gave `end` is sent by `send`, later. */
  hold(): void;
  /**
   * Changes the head, also where the application has called `writeHead` already. `body` null: the status has none. Where that
   * fails the answer is sent as the application made it.
   */
  send(change: { readonly status?: number; readonly headers: () => void; readonly body: Buffer | null } | null): void;
}

/** What is used of Node's own state; a Node that keeps it elsewhere gets its answers as the application made them. */
interface Internals {
  _header: string | null;
  readonly _headerSent: unknown;
  _contentLength: number | null;
  chunkedEncoding: boolean;
  finished: unknown;
}

export interface WholeAnswerWatch {
  readonly isOn: () => boolean;
  /** Takes the answer over (true) or leaves it as it is (false). */
  readonly look: (answer: WholeAnswer) => boolean;
  /** What every answer whose head is made anew must say, whoever changes it and to what. */
  readonly describe?: (answer: WholeAnswer) => void;
  readonly failed: (error: unknown) => void;
}

const descriptions = new Set<WholeAnswerWatch>();

/**
 * Shows every whole answer with status 200 to the watch. Streams and every other answer pass. Returns the undo.
 */
export function watchWholeAnswers(watch: WholeAnswerWatch): () => void {
  descriptions.add(watch);
  const undoHead = wrapMethod(
    Response.prototype,
    'writeHead',
    (original) =>
      function writeHead(this: unknown, ...args) {
        const response = this as ServerResponse;
        // Requests that never were on a connection (those a framework injects) have less than an `IncomingMessage`, or nothing.
        const { req: request } = response as { readonly req?: Partial<IncomingMessage> };
        if (!watch.isOn() || request?.headers === undefined || request.method !== 'GET') return Reflect.apply(original, this, args);
        return Reflect.apply(original, this, withReadableHeaders(response, args));
      },
  );
  const undoEnd = wrapMethod(
    Response.prototype,
    'end',
    (original) =>
      function end(this: unknown, ...args) {
        if (!watch.isOn()) return Reflect.apply(original, this, args);
        let answer: OwnAnswer | null = null;
        try {
          answer = wholeAnswerOf(this as ServerResponse, args, original, watch.failed);
          if (answer !== null && watch.look(answer)) return this;
        } catch (error) {
          watch.failed(error);
        }
        return answer?.isGivenBack() === false ? this : Reflect.apply(original, this, args);
      },
  );
  return () => {
    descriptions.delete(watch);
    undoEnd?.();
    undoHead?.();
  };
}

/** Headers handed to `writeHead` are in no list of Node's; set one by one, as Node itself does where some were set before, they are. */
function withReadableHeaders(response: ServerResponse, args: readonly unknown[]): readonly unknown[] {
  const [status, second, third] = args;
  const reason = typeof second === 'string' ? [second] : [];
  const headers = typeof second === 'string' ? third : (third ?? second);
  if (typeof headers !== 'object' || headers === null || response.headersSent || response.getHeaderNames().length > 0) return args;
  if (Array.isArray(headers)) {
    if (headers.length % 2 !== 0 || headers.some((part) => typeof part !== 'string')) return args;
    for (let at = 0; at < headers.length; at += 2) response.appendHeader(headers[at] as string, headers[at + 1] as string);
    return [status, ...reason];
  }
  for (const [name, value] of Object.entries(headers)) if (name !== '') response.setHeader(name, value as string);
  return [status, ...reason];
}

/** As the wrapper sees it: whether the application's own `end` still has to run after all. */
interface OwnAnswer extends WholeAnswer {
  isGivenBack(): boolean;
}

function wholeAnswerOf(
  response: ServerResponse,
  args: readonly unknown[],
  end: Method,
  failed: (error: unknown) => void,
): OwnAnswer | null {
  const internals = response as unknown as Internals;
  const { req: request } = response;
  if ((request as Partial<IncomingMessage> | undefined)?.headers === undefined) return null;
  if (request.method !== 'GET' || response.statusCode !== 200 || internals.finished !== false || internals._headerSent !== false)
    return null;
  // A head whose headers nobody can read was made before anybody looked.
  if (internals._header !== null && response.getHeaderNames().length === 0) return null;
  if (response.hasHeader('transfer-encoding') || response.hasHeader('trailer')) return null;
  const body = bodyOf(args[0], args[1]);
  if (body === null || body.length === 0) return null;
  const length = response.getHeader('content-length');
  if (length !== undefined && Number(length) !== body.length) return null;
  const callback = args.slice(1).find((argument) => typeof argument === 'function');
  const type = response.getHeader('content-type');
  let isSent = false;
  const answer: OwnAnswer = {
    request,
    response,
    body,
    type: typeof type === 'string' ? type.split(';', 1)[0]!.trim().toLowerCase() : '',
    hold() {
      if (internals._header === null) {
        internals._contentLength = body.length;
        response.writeHead(response.statusCode);
      }
      internals.finished = true;
    },
    send(change) {
      // A connection that broke meanwhile gets nothing, as if the application's own bytes had been under way.
      if (isSent || response.destroyed) return;
      isSent = true;
      internals.finished = false;
      const isChanged = change !== null && changeHead(response, internals, failed, () => describeAnew(answer, change));
      const sent = isChanged ? change.body : body;
      Reflect.apply(end, response, [...(sent === null ? [] : [sent]), ...(callback === undefined ? [] : [callback])]);
    },
    isGivenBack() {
      if (!isSent) internals.finished = false;
      return !isSent;
    },
  };
  return answer;
}

function describeAnew(answer: WholeAnswer, change: NonNullable<Parameters<WholeAnswer['send']>[0]>): void {
  const { response } = answer;
  if (change.status !== undefined) {
    response.statusCode = change.status;
    response.statusMessage = '';
  }
  for (const { isOn, describe } of descriptions) if (isOn()) describe?.(answer);
  change.headers();
  if (change.body === null) response.removeHeader('content-length');
  else response.setHeader('Content-Length', change.body.length);
}

/** All of it or nothing: half a change would be a head that lies about its body. */
function changeHead(response: ServerResponse, internals: Internals, failed: (error: unknown) => void, change: () => void): boolean {
  const { _header: head, chunkedEncoding } = internals;
  const { statusCode, statusMessage } = response;
  const headers = response.getHeaders();
  try {
    internals._header = null;
    internals.chunkedEncoding = false;
    change();
    return true;
  } catch (error) {
    for (const name of response.headersSent ? [] : response.getHeaderNames()) response.removeHeader(name);
    for (const [name, value] of response.headersSent ? [] : Object.entries(headers)) response.setHeader(name, value!);
    Object.assign(response, { statusCode, statusMessage });
    Object.assign(internals, { _header: head, chunkedEncoding });
    failed(error);
    return false;
  }
}

function bodyOf(chunk: unknown, encoding: unknown): Buffer | null {
  if (typeof chunk === 'string') return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
  return chunk instanceof Uint8Array ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : null;
}

/** Of a header with a list for its value, each member in lower case. */
export function listed(value: OutgoingHttpHeader | undefined): readonly string[] {
  if (value === undefined) return [];
  const text = Array.isArray(value) ? value.join(',') : String(value);
  return text.split(',').map((member) => member.trim().toLowerCase());
}

/** What the client asked for; Express rewrites `url` below a mounted router. */
export function askedUrl(request: IncomingMessage): string {
  const { originalUrl } = request as { readonly originalUrl?: unknown };
  return typeof originalUrl === 'string' ? originalUrl : (request.url ?? '/');
}
