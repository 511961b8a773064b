import { hash } from 'node:crypto';
import { ServerResponse, type IncomingMessage } from 'node:http';
import { patchMethod } from '../hooks/patch.ts';
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

/** What was sent so far of an answer that is looked at. Chunks are only remembered: they are read when the response is closed, so that nobody waits for it. */
class Watch {
  readonly answer = new Answer();
  chunks: (string | Uint8Array)[] | null = [];
  isWhole = true;
  /** Whether it is known where answers like this one are sent from. */
  readonly isPlaced: () => boolean;

  constructor(isPlaced: () => boolean) {
    this.isPlaced = isPlaced;
  }

  take(chunk: unknown, encoding: unknown): void {
    // Text in another encoding is rare and only measured.
    if (typeof encoding === 'string' && encoding !== 'utf8' && encoding !== 'utf-8') this.chunks = null;
    const { answer, chunks } = this;
    if (typeof chunk === 'string') answer.bodyBytes += Buffer.byteLength(chunk);
    else if (chunk instanceof Uint8Array) answer.bodyBytes += chunk.byteLength;
    else return;
    if (answer.bodyBytes <= longestBodyBytes) chunks?.push(chunk);
    else {
      if (chunks?.length === 0) chunks.push(chunk.slice(0, longestBodyBytes));
      this.isWhole = false;
    }
  }
}

/** Answers under way at once, each with up to 256 kB of its body. */
const mostWatched = 100;

/**
 * The answers that are looked at. What is sent is met at the prototype's `write` and `end`, behind whatever a middleware
 * makes of the body (compression). A response never gets a property of the agent's own, so that all of them stay of one hidden class.
 */
export class WatchedAnswers {
  readonly #examination: Examination;
  readonly #watched = new Map<unknown, Watch>();

  constructor(examination: Examination) {
    this.#examination = examination;
    for (const name of ['write', 'end'] as const) {
      patchMethod(ServerResponse.prototype, name, (original) => {
        const sent = (response: unknown, chunk: unknown, encoding: unknown) => this.#sent(response, name, chunk, encoding);
        const watched = this.#watched;
        return function (this: unknown, chunk, encoding, callback) {
          if (watched.size > 0) sent(this, chunk, encoding);
          return original.call(this, chunk, encoding, callback);
        };
      });
    }
  }

  /** `isPlaced` is asked when the answer has been sent. */
  begin(response: ServerResponse, isPlaced: () => boolean): void {
    if (this.#watched.size < mostWatched) this.#watched.set(response, new Watch(isPlaced));
  }

  /** The response is closed: its request gets what was seen of it. */
  end(request: OpenRequest, incoming: IncomingMessage, response: ServerResponse): void {
    const watch = this.#watched.get(response);
    if (watch === undefined) return;
    this.#watched.delete(response);
    try {
      const { answer, chunks } = watch;
      readHead(answer, incoming, response);
      request.answer = answer;
      if (!response.writableFinished || chunks === null || answer.bodyBytes === 0) return;
      if (watch.isWhole && this.#examination.reads(answer.bodyBytes, performance.now()))
        readBody(answer, request, incoming, chunks, this.#examination);
      else if (answer.acceptsCompression && !answer.encoded) answer.body = joined(chunks);
    } catch {
      request.answer = null;
    }
  }

  #sent(response: unknown, name: 'write' | 'end', chunk: unknown, encoding: unknown): void {
    const watch = this.#watched.get(response);
    if (watch === undefined) return;
    try {
      watch.take(chunk, encoding);
      if (name === 'end' && !watch.isPlaced() && this.#examination.locates(performance.now())) watch.answer.location = captureCallSite();
    } catch {
      watch.chunks = null;
    }
  }
}

/** Headers that were handed to `writeHead` are in no list of Node's: what was sent is the only place that has them all. */
function readHead(answer: Answer, { headers }: IncomingMessage, response: ServerResponse): void {
  const head = (response as ServerResponse & { readonly _header?: string | null })._header ?? '';
  answer.status = response.statusCode;
  answer.contentType = (/\r\ncontent-type:[ \t]*([^;\r]*)/i.exec(head)?.[1] ?? '').trim().toLowerCase();
  answer.encoded = (/\r\ncontent-encoding:[ \t]*([^\r]*)/i.exec(head)?.[1] ?? 'identity').trim() !== 'identity';
  answer.acceptsCompression = takesCompressed(headers['accept-encoding']?.toString() ?? '');
  answer.hasValidator = /\r\n(?:etag|last-modified):/i.test(head);
  answer.hasCacheControl = /\r\n(?:cache-control|expires):/i.test(head);
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
  { method, url, headers }: IncomingMessage,
  chunks: readonly (string | Uint8Array)[],
  examination: Examination,
): void {
  const body = joined(chunks);
  answer.body = body;
  // Only a hash of either leaves this function: neither addresses nor credentials nor bodies are kept.
  answer.identified = headers.authorization !== undefined || headers.cookie !== undefined;
  answer.askedHash = hash(
    'sha1',
    [method, url ?? '/', headers.host, headers.authorization, headers.cookie, headers.accept].join('\n'),
    'base64',
  );
  answer.bodyHash = hash('sha1', body, 'base64');
  if (answer.encoded || body.length > longestComparedBytes || answer.status !== 200) return;
  if (!/[/+]json$/.test(answer.contentType) || !request.calls.some(({ received }) => received !== null)) return;
  if (examination.compares(performance.now())) compareWithAnswer(request, body.toString());
}
