import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { isFixed } from '../fix.ts';
import { paragraph, sentence } from './text.ts';

const compress = promisify(gzip);

const chapters = Array.from({ length: 100 }, (_, index) => ({ number: index + 1, title: sentence(index, 4), text: paragraph(index) }));
const guide = JSON.stringify({ chapters });

/** The members' guide, all of it: the app shows it without a connection. */
export function chapterRoutes(app: FastifyInstance): void {
  app.get('/guide', async (request, reply) => {
    reply.type('application/json; charset=utf-8');
    if (!isFixed('guide-compression') || request.headers['accept-encoding']?.includes('gzip') !== true) return guide;
    return reply
      .header('content-encoding', 'gzip')
      .header('vary', 'accept-encoding')
      .send(await compress(guide));
  });

  app.get<{ Params: { id: number } }>('/guide/:id', { schema: { params: chapterParams } }, async (request, reply) => {
    return chapters[request.params.id - 1] ?? reply.code(404).send({ error: 'no such chapter' });
  });
}

const chapterParams = { type: 'object', required: ['id'], properties: { id: { type: 'integer', minimum: 1 } } };
