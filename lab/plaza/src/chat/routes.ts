import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { requireViewer } from '../accounts/viewer.ts';
import { readBoard } from './boards.ts';
import { latestMessages, saveMessage } from './messages.ts';
import { livelyRooms } from './opened-rooms.ts';
import type { RoomListeners } from './room-listeners.ts';
import { listDirectory, listRooms } from './rooms.ts';

const roomParams = { type: 'object', required: ['id'], properties: { id: { type: 'integer', minimum: 1 } } };
const directoryQuery = { type: 'object', properties: { after: { type: 'integer', minimum: 0, default: 0 } } };
const openedQuery = { type: 'object', required: ['from'], properties: { from: { type: 'string', format: 'date' } } };
const newMessage = { type: 'object', required: ['body'], properties: { body: { type: 'string', minLength: 1, maxLength: 4000 } } };
const waitQuery = { type: 'object', properties: { timeoutMs: { type: 'integer', minimum: 1, maximum: 25_000, default: 20_000 } } };

export function chatRoutes(app: FastifyInstance, pool: Pool, listeners: RoomListeners): void {
  app.addHook('preClose', async () => listeners.close());

  app.get('/rooms', { preHandler: requireViewer }, async (request) => ({ rooms: await listRooms(pool, request.viewerId) }));

  app.get<{ Querystring: { after: number } }>('/rooms/directory', { schema: { querystring: directoryQuery } }, async (request) => ({
    rooms: await listDirectory(pool, request.query.after),
  }));

  app.get<{ Querystring: { from: string } }>('/rooms/lively', { schema: { querystring: openedQuery } }, async (request) => ({
    rooms: await livelyRooms(pool, request.query.from),
  }));

  app.get<{ Params: { id: number } }>('/rooms/:id/messages', { schema: { params: roomParams } }, async (request) => ({
    messages: await latestMessages(pool, request.params.id),
  }));

  app.post<{ Params: { id: number }; Body: { body: string } }>(
    '/rooms/:id/messages',
    { schema: { params: roomParams, body: newMessage }, preHandler: requireViewer },
    async (request, reply) => {
      const message = await saveMessage(pool, request.params.id, request.viewerId, request.body.body);
      listeners.announce(request.params.id, message);
      return reply.code(201).send(message);
    },
  );

  // For clients behind proxies that cut web sockets: answers with the next message, or empty after the timeout.
  app.get<{ Params: { id: number }; Querystring: { timeoutMs: number } }>(
    '/rooms/:id/wait',
    { schema: { params: roomParams, querystring: waitQuery } },
    async (request) => {
      const message = await listeners.next(request.params.id, request.query.timeoutMs);
      return { messages: message === null ? [] : [message] };
    },
  );

  app.get<{ Params: { id: number } }>('/rooms/:id/board', { schema: { params: roomParams } }, async (request, reply) => {
    const board = await readBoard(pool, request.params.id);
    if (board === undefined) return reply.code(404).send({ error: 'this room has no board' });
    return reply.type('application/json; charset=utf-8').send(board);
  });
}
