import { connect } from 'node:net';
import type { FromAgent, ToAgent } from '../protocol.ts';

/** Far beyond any policy. Whoever sends more without ending the line does not speak the protocol. */
const longestLine = 16 * 1024 * 1024;

/** What may wait for a listener that does not read, besides what is being written: then it is as good as gone. */
const mostUnreadBytes = 16 * 1024 * 1024;

/** A connection to Anneal: one JSON document per line. */
export interface Line {
  say(message: FromAgent): void;
  /** Nothing waits for it: a process may end while it is open. */
  unref(): void;
}

export interface LineEvents {
  opened(): void;
  heard(message: ToAgent): void;
  /** Once, whatever ended it: a path where nobody listens, Anneal gone, or something said that no Anneal says. */
  closed(): void;
}

export function openLine(socketPath: string, events: LineEvents): Line {
  const socket = connect(socketPath);
  let unread = '';
  socket.setEncoding('utf8');
  socket.on('connect', () => events.opened());
  socket.on('data', (chunk: string) => {
    const lines = (unread + chunk).split('\n');
    unread = lines.pop() ?? '';
    for (const line of lines) {
      const message = messageIn(line);
      if (message === null) {
        socket.destroy();
        return;
      }
      events.heard(message);
    }
    if (unread.length > longestLine) socket.destroy();
  });
  // `close` follows every error; a dead path closes at once, and the agent stays off.
  socket.on('error', () => undefined);
  socket.on('close', () => events.closed());
  return {
    say(message) {
      if (socket.writableLength > mostUnreadBytes) socket.destroy();
      else if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
    },
    unref: () => socket.unref(),
  };
}

/** Null where the line is nothing that an Anneal of any version would say: then nothing else it says is trusted. */
function messageIn(line: string): ToAgent | null {
  try {
    const message: unknown = JSON.parse(line);
    if (typeof message !== 'object' || message === null) return null;
    const { type, id } = message as { readonly type?: unknown; readonly id?: unknown };
    return type === 'heartbeat' || (typeof type === 'string' && typeof id === 'number') ? (message as ToAgent) : null;
  } catch {
    return null;
  }
}
