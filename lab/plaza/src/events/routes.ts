import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { campaignPages, recordEvents, type ClientEvent } from './event-store.ts';

const batch = {
  type: 'object',
  required: ['events'],
  properties: {
    events: {
      type: 'array',
      maxItems: 200,
      items: {
        type: 'object',
        required: ['name', 'payload'],
        properties: { name: { type: 'string', maxLength: 60 }, payload: { type: 'object' } },
      },
    },
  },
};

export function eventRoutes(app: FastifyInstance, pool: Pool): void {
  app.post<{ Body: { events: readonly ClientEvent[] } }>('/events/batch', { schema: { body: batch } }, async (request, reply) => {
    await recordEvents(pool, request.body.events);
    return reply.code(202).send({ accepted: request.body.events.length });
  });

  app.get<{ Params: { campaign: string } }>('/admin/campaigns/:campaign', async (request) => ({
    pages: await campaignPages(pool, request.params.campaign),
  }));
}
