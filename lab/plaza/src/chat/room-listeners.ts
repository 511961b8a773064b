import { EventEmitter, once } from 'node:events';
import type { Message } from './messages.ts';

/** Who is waiting for the next message of a room: sockets for good, long polls for a moment. */
export interface RoomListeners {
  announce(roomId: number, message: Message): void;
  subscribe(roomId: number, listener: (message: Message) => void): () => void;
  /** The next message, or null when none came in time. */
  next(roomId: number, timeoutMs: number): Promise<Message | null>;
  /** Lets everybody who waits go home. */
  close(): void;
}

export function createRoomListeners(): RoomListeners {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  const closing = new AbortController();
  const channel = (roomId: number) => `room:${roomId}`;
  return {
    announce(roomId, message) {
      emitter.emit(channel(roomId), message);
    },
    subscribe(roomId, listener) {
      emitter.on(channel(roomId), listener);
      return () => emitter.off(channel(roomId), listener);
    },
    async next(roomId, timeoutMs) {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]);
      try {
        const [message] = (await once(emitter, channel(roomId), { signal })) as [Message];
        return message;
      } catch (error) {
        if (signal.aborted) return null;
        throw error;
      }
    },
    close() {
      closing.abort();
    },
  };
}
