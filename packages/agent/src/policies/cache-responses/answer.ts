import type { Method } from '../../hooks/patch.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A response as it went out: enough to send the same bytes again, the date apart. */
export interface Answer {
  readonly statusMessage: string;
  /** Names and values in turn, as sent; without what Node adds by itself. */
  readonly headers: readonly string[];
  /** Node worked the length out itself: it then stands behind the date. */
  readonly lengthByNode: boolean;
  readonly body: Buffer;
}

export type Outcome =
  | { readonly kind: 'answer'; readonly answer: Answer }
  /** Answered in a way that is not kept. */
  | { readonly kind: 'refused'; readonly reason: string; readonly status: number }
  /** Never finished. */
  | { readonly kind: 'aborted' };

export interface RecordingRules {
  readonly ignoredRequestHeaders: ReadonlySet<string>;
  /** Headers were named that answers do not depend on: an answer may reach somebody else than it was made for. */
  readonly forOthersToo: boolean;
  /** Lower case; they may differ from time to time, and are left out. */
  readonly varyingHeaders: ReadonlySet<string>;
}

const byNode: ReadonlySet<string> = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding']);

/**
 * Watches a response being sent. `done` is called once, as its last byte has been handed to the connection, or when it
 * closed without. Only what is sent in one piece can be kept: anything else may be a stream.
 */
export function recordAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  rules: RecordingRules,
  done: (outcome: Outcome) => void,
): void {
  let settled = false;
  let pieces = 0;
  const settle = (outcome: Outcome) => {
    if (settled) return;
    settled = true;
    done(outcome);
  };
  const sent = response as { write: Method; end: Method };
  const { write, end } = sent;
  sent.write = function (this: unknown, ...args) {
    pieces += 1;
    return Reflect.apply(write, this, args);
  };
  sent.end = function (this: unknown, ...args) {
    const [chunk, encoding] = args;
    const body = settled || pieces > 0 ? null : bodyOf(chunk, encoding);
    const result = Reflect.apply(end, this, args);
    if (!settled) {
      try {
        settle(
          body === null
            ? { kind: 'refused', reason: 'it is streamed', status: response.statusCode }
            : outcomeOf(request, response, body, rules),
        );
      } catch {
        settle({ kind: 'refused', reason: 'it could not be read back', status: response.statusCode });
      }
    }
    return result;
  };
  response.on('close', () => settle({ kind: 'aborted' }));
}

function bodyOf(chunk: unknown, encoding: unknown): Buffer | null {
  if (chunk === undefined || chunk === null || typeof chunk === 'function') return Buffer.alloc(0);
  if (typeof chunk === 'string') return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
  return chunk instanceof Uint8Array ? Buffer.from(chunk) : null;
}

function outcomeOf(request: IncomingMessage, response: ServerResponse, body: Buffer, rules: RecordingRules): Outcome {
  const refused = (reason: string): Outcome => ({ kind: 'refused', reason, status: response.statusCode });
  const { _header: head } = response as ServerResponse & { readonly _header?: string | null };
  if (response.statusCode !== 200) return refused('its status is not 200');
  if (typeof head !== 'string') return refused('it has no head');
  const headers: string[] = [];
  let dated = false;
  let lengthByNode = false;
  for (const line of head.split('\r\n').slice(1)) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const lower = name.toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (lower === 'date') dated = true;
    if (lower === 'content-length' && dated) lengthByNode = true;
    else if (!byNode.has(lower) && !rules.varyingHeaders.has(lower)) headers.push(name, value);
    if (lower === 'set-cookie') return refused('it sets a cookie');
    if (lower === 'trailer') return refused('it has a trailer');
    if (lower === 'cache-control' && /no-store/i.test(value)) return refused('it says that it is not to be stored');
    // RFC 9111, 5.2.2.7: for a single user.
    if (lower === 'cache-control' && rules.forOthersToo && /\bprivate\b/i.test(value))
      return refused('it says that it is for one user alone');
    if (
      lower === 'vary' &&
      value.split(',').some((asked) => asked.trim() === '*' || rules.ignoredRequestHeaders.has(asked.trim().toLowerCase()))
    ) {
      return refused('it varies by what is not part of the key');
    }
  }
  if (echoes(request, headers, rules)) return refused('it repeats what is not part of the key');
  return { kind: 'answer', answer: { statusMessage: response.statusMessage, headers, lengthByNode, body } };
}

/** A request's own name in the answer to another one would be a lie. */
function echoes({ headers: sent }: IncomingMessage, headers: readonly string[], { ignoredRequestHeaders }: RecordingRules): boolean {
  for (const name of ignoredRequestHeaders) {
    const value = sent[name];
    if (typeof value === 'string' && name !== 'connection' && value.length > 3 && headers.includes(value)) return true;
  }
  return false;
}

/** No `Age`: that is for caches that may be late (RFC 9111, section 5.1). This answer is what the application would say now. */
export function sendAnswer(response: ServerResponse, { statusMessage, headers, lengthByNode, body }: Answer): void {
  if (lengthByNode) {
    response.statusMessage = statusMessage;
    for (let at = 0; at < headers.length; at += 2) response.appendHeader(headers[at]!, headers[at + 1]!);
  } else response.writeHead(200, statusMessage, headers as string[]);
  response.end(body);
}

export function sameAnswer(one: Answer, other: Answer): boolean {
  return (
    one.statusMessage === other.statusMessage &&
    one.headers.length === other.headers.length &&
    one.headers.every((part, at) => part === other.headers[at]) &&
    one.body.equals(other.body)
  );
}

export function answerBytes({ headers, body }: Answer): number {
  return body.length + headers.reduce((sum, part) => sum + part.length + 16, 0);
}
