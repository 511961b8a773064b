import { connect, type Socket } from 'node:net';

export type Reply = string | number | null | Error | readonly Reply[];

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/**
 * As much of Redis' protocol (RESP2) as asking a question and reading its answer takes. The agent has no dependencies and
 * the application's own client may be any of several, with its own database, prefix and retries; what is needed here
 * is one connection whose loss is noticed at once, because everything that is kept hangs on it.
 */
export class RespConnection {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #unread = '';
  #lost = false;

  constructor(host: string, port: number, opened: () => void, lost: () => void) {
    const end = () => {
      if (this.#lost) return;
      this.#lost = true;
      this.#socket.destroy();
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the connection to Redis was lost'));
      lost();
    };
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.unref();
    // Every byte is one character: lengths are bytes, and what is said here is ASCII.
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', opened);
    this.#socket.on('data', (chunk: string) => {
      this.#unread += chunk;
      try {
        this.#read();
      } catch {
        end();
      }
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', end);
  }

  ask(...words: readonly (string | number)[]): Promise<Reply> {
    if (this.#lost) return Promise.reject(new Error('the connection to Redis was lost'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      const said = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join('');
      this.#socket.write(`*${words.length}\r\n${said}`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(): void {
    let at = 0;
    for (;;) {
      const parsed = parse(this.#unread, at);
      if (parsed === null) break;
      at = parsed.end;
      const waiting = this.#waiting.shift();
      if (parsed.reply instanceof Error) waiting?.reject(parsed.reply);
      else waiting?.resolve(parsed.reply);
    }
    this.#unread = this.#unread.slice(at);
  }
}

/** Null while the rest has not come. */
function parse(text: string, from: number): { readonly reply: Reply; readonly end: number } | null {
  const lineEnd = text.indexOf('\r\n', from);
  if (lineEnd === -1) return null;
  const line = text.slice(from + 1, lineEnd);
  const next = lineEnd + 2;
  switch (text[from]) {
    case '+':
      return { reply: line, end: next };
    case '-':
      return { reply: new Error(line), end: next };
    case ':':
      return { reply: Number(line), end: next };
    case '$': {
      const length = Number(line);
      if (length === -1) return { reply: null, end: next };
      return text.length < next + length + 2 ? null : { reply: text.slice(next, next + length), end: next + length + 2 };
    }
    case '*': {
      const items: Reply[] = [];
      let end = next;
      for (let left = Number(line); left > 0; left -= 1) {
        const item = parse(text, end);
        if (item === null) return null;
        items.push(item.reply);
        end = item.end;
      }
      return { reply: items, end };
    }
    default:
      throw new Error('this is not the protocol of Redis');
  }
}
