import { STATUS_CODES, type ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** What is answered in a peer's place. */
export interface CannedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Null where it can be sent, else why not. */
export function refuseAnswer({ status, headers }: CannedAnswer): string | null {
  // Statuses without a body, and those that switch protocols, are no answers that can be made up.
  if (!Number.isInteger(status) || status < 200 || status > 599 || [204, 205, 304].includes(status))
    return `${status} is no status to answer with`;
  const torn = Object.entries(headers).find(([name, value]) => !/^[\w!#$%&'*+.^`|~-]+$/.test(name) || /[^\t\x20-\x7e]/.test(value));
  return torn === undefined ? null : `${JSON.stringify(torn[0])} is no header to answer with`;
}

export function cannedResponse({ status, headers, body }: CannedAnswer): Response {
  return new Response(body, { status, headers });
}

/** Node reads the answer as from any connection (`createConnection` may return any Duplex); what the application writes goes nowhere. */
export function answerRequest(request: ClientRequest, { status, headers, body }: CannedAnswer): void {
  const head = Object.entries({ ...headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' });
  let answered = false;
  const connection = new Duplex({
    read() {},
    write(_chunk, _encoding, done) {
      if (!answered) {
        answered = true;
        const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('');
        this.push(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines}\r\n${request.method === 'HEAD' ? '' : body}`);
        this.push(null);
      }
      done();
    },
  });
  const nothing = () => connection;
  Object.assign(connection, { setTimeout: nothing, setNoDelay: nothing, setKeepAlive: nothing, ref: nothing, unref: nothing });
  request.onSocket(connection as unknown as Socket);
}
