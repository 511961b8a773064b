import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { readToken } from '../accounts/tokens.ts';
import { saveMessage } from './messages.ts';
import type { RoomListeners } from './room-listeners.ts';

const pingIntervalMs = 30_000;

/** `ws://host/chat?room=<id>&token=<token>`: JSON `{ "body": "..." }` in, stored messages out. */
export function acceptSockets(app: FastifyInstance, pool: Pool, listeners: RoomListeners): void {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 16 * 1024 });

  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = new URL(request.url ?? '/', 'http://plaza');
    const viewerId = readToken(url.searchParams.get('token') ?? '');
    const roomId = Number(url.searchParams.get('room'));
    if (url.pathname !== '/chat' || viewerId === null || !Number.isInteger(roomId) || roomId < 1) {
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => joinRoom(client, roomId, viewerId));
  });

  function joinRoom(client: WebSocket, roomId: number, viewerId: number): void {
    const leave = listeners.subscribe(roomId, (message) => client.send(JSON.stringify(message)));
    const ping = setInterval(() => client.ping(), pingIntervalMs);
    client.on('close', () => {
      leave();
      clearInterval(ping);
    });
    client.on('error', (error) => app.log.warn(error, 'a chat socket failed'));
    client.on('message', (data) => {
      receive(data, roomId, viewerId).catch((error: unknown) => app.log.error(error, 'a chat message was lost'));
    });
  }

  async function receive(data: RawData, roomId: number, viewerId: number): Promise<void> {
    const body = readBody(data);
    if (body === null) return;
    listeners.announce(roomId, await saveMessage(pool, roomId, viewerId, body));
  }

  app.addHook('preClose', async () => {
    for (const client of sockets.clients) client.close(1001, 'the server is shutting down');
    sockets.close();
  });
}

/** Null for anything that is not a message. */
function readBody(data: RawData): string | null {
  try {
    const message: unknown = JSON.parse(Buffer.isBuffer(data) ? data.toString() : '');
    if (typeof message !== 'object' || message === null || !('body' in message)) return null;
    return typeof message.body === 'string' && message.body !== '' ? message.body : null;
  } catch {
    return null;
  }
}
