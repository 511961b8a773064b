import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { captureCallSite } from '../places/call-site.ts';
import type { Examination } from './examination.ts';
import type { SourceLocation } from '../protocol.ts';
import type { OpenRequest } from '../requests/request.ts';
import { compareWithAnswer } from '../statements/shown-rows.ts';

/** Of longer bodies only the beginning is kept, to see what compression would bring. */
const longestBodyBytes = 256 * 1024;

/** Parsing and walking 64 kB of JSON takes some 0.3 ms; longer answers are not compared with their rows. */
const longestComparedBytes = 64 * 1024;

/** What one examined answer was, with no word of what it said. */
export class Answer {
  status = 0;
  /** Without parameters, lower case: `application/json`; empty where none was given. */
  contentType = '';
  bodyBytes = 0;
  encoded = false;
  acceptsCompression = false;
  hasValidator = false;
  hasCacheControl = false;
  /** What asked for it: method, URL and who asked, hashed. */
  askedHash = '';
  /** Whether the request said who asks. */
  identified = false;
  /** Empty where the body was not read. */
  bodyHash = '';
  /** The body itself, only until its route has taken what it counts. */
  body: Buffer | null = null;
  /** Where the application's own code sends it, if the stack shows that. */
  location: SourceLocation | null = null;
}

/**
 * Looks at one answer: its own `write` and `end` are wrapped, so that other answers cost nothing and what a middleware
 * makes of the body (compression) has happened before. Chunks are only remembered; they are read when the response is
 * closed, so that nobody waits for it.
 */
export function examineAnswer(request: OpenRequest, incoming: IncomingMessage, response: ServerResponse, examination: Examination): void {
  try {
    watch(request, incoming, response, examination);
  } catch {
    // A response that cannot be watched (frozen by somebody) is not one of those that are looked at.
  }
}

function watch(request: OpenRequest, incoming: IncomingMessage, response: ServerResponse, examination: Examination): void {
  const answer = new Answer();
  const url = incoming.url ?? '/';
  let chunks: (string | Uint8Array)[] | null = [];
  let isWhole = true;
  const take = (chunk: unknown) => {
    if (typeof chunk === 'string') answer.bodyBytes += Buffer.byteLength(chunk);
    else if (chunk instanceof Uint8Array) answer.bodyBytes += chunk.byteLength;
    else return;
    if (answer.bodyBytes <= longestBodyBytes) chunks?.push(chunk);
    else {
      if (chunks?.length === 0) chunks.push(chunk.slice(0, longestBodyBytes));
      isWhole = false;
    }
  };
  for (const name of ['write', 'end'] as const) {
    const original = Reflect.get(response, name) as (this: unknown, ...args: unknown[]) => unknown;
    const replacement = function (this: unknown, chunk: unknown, encoding: unknown, callback: unknown) {
      try {
        // Text in another encoding is rare and only measured.
        if (typeof encoding === 'string' && encoding !== 'utf8' && encoding !== 'utf-8') chunks = null;
        take(chunk);
        if (name === 'end' && examination.locates(performance.now())) answer.location = captureCallSite();
      } catch {
        chunks = null;
      }
      return original.call(this, chunk, encoding, callback);
    };
    Object.defineProperty(replacement, 'name', { value: name, configurable: true });
    Object.defineProperty(replacement, 'length', { value: original.length, configurable: true });
    Object.defineProperty(response, name, { value: replacement, writable: true, configurable: true, enumerable: false });
  }
  response.once('close', () => {
    try {
      readHead(answer, incoming, response);
      request.answer = answer;
      if (!response.writableFinished || chunks === null || answer.bodyBytes === 0) return;
      if (isWhole && examination.reads(answer.bodyBytes, performance.now())) readBody(answer, request, incoming, url, chunks, examination);
      else if (answer.acceptsCompression && !answer.encoded) answer.body = joined(chunks);
    } catch {
      request.answer = null;
    }
  });
}

function readHead(answer: Answer, { headers }: IncomingMessage, response: ServerResponse): void {
  const sent = sentHeaders(response);
  answer.status = response.statusCode;
  answer.contentType = (sent.get('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase();
  answer.encoded = (sent.get('content-encoding') ?? 'identity') !== 'identity';
  answer.acceptsCompression = takesCompressed(headers['accept-encoding']?.toString() ?? '');
  answer.hasValidator = sent.has('etag') || sent.has('last-modified');
  answer.hasCacheControl = sent.has('cache-control') || sent.has('expires');
}

/** Headers that were handed to `writeHead` are in no list of Node's: what was sent is the only place that has them all. */
function sentHeaders(response: ServerResponse): ReadonlyMap<string, string> {
  const { _header: head } = response as ServerResponse & { readonly _header?: string | null };
  const lines = (head ?? '').split('\r\n').slice(1);
  return new Map(
    lines.flatMap((line) => {
      const colon = line.indexOf(':');
      return colon === -1 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const];
    }),
  );
}

/** `gzip;q=0` says that it is not wanted (RFC 9110, 12.5.3). */
function takesCompressed(acceptEncoding: string): boolean {
  return acceptEncoding.split(',').some((part) => {
    const [coding = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase());
    return ['gzip', 'br', 'zstd', 'deflate', '*'].includes(coding) && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  });
}

function joined(chunks: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)));
}

function readBody(
  answer: Answer,
  request: OpenRequest,
  { method, headers }: IncomingMessage,
  url: string,
  chunks: readonly (string | Uint8Array)[],
  examination: Examination,
): void {
  const body = joined(chunks);
  answer.body = body;
  // Only a hash of either leaves this function: neither addresses nor credentials nor bodies are kept.
  answer.identified = headers.authorization !== undefined || headers.cookie !== undefined;
  answer.askedHash = hash('sha1', [method, url, headers.host, headers.authorization, headers.cookie, headers.accept].join('\n'), 'base64');
  answer.bodyHash = hash('sha1', body, 'base64');
  if (answer.encoded || body.length > longestComparedBytes || answer.status !== 200) return;
  if (!/[/+]json$/.test(answer.contentType) || !request.calls.some(({ received }) => received !== null)) return;
  if (examination.compares(performance.now())) compareWithAnswer(request, body.toString());
}
