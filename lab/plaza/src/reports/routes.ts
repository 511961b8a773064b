import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { requireViewer } from '../accounts/viewer.ts';
import { writeReport } from './report-store.ts';

const roomParams = { type: 'object', required: ['id'], properties: { id: { type: 'integer', minimum: 1 } } };

export function reportRoutes(app: FastifyInstance, pool: Pool): void {
  app.post<{ Params: { id: number } }>(
    '/rooms/:id/reports',
    { schema: { params: roomParams }, preHandler: requireViewer },
    async (request, reply) => reply.code(201).send(await writeReport(pool, request.params.id, request.viewerId)),
  );
}
