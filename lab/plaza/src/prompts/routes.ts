import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { requireViewer } from '../accounts/viewer.ts';
import { isFixed } from '../fix.ts';
import { alsoLoved, ratePrompt } from './ratings.ts';

interface PromptTitle {
  readonly id: number;
  readonly title: string;
  readonly uses: number;
}

const listQuery = { type: 'object', required: ['topic'], properties: { topic: { type: 'integer', minimum: 1 } } };
const promptParams = { type: 'object', required: ['id'], properties: { id: { type: 'integer', minimum: 1 } } };
const rating = { type: 'object', required: ['stars'], properties: { stars: { type: 'integer', minimum: 1, maximum: 5 } } };
const columns = isFixed('prompt-list-columns') ? 'id, title, uses' : '*';

export async function listPrompts(pool: Pool, topicId: number): Promise<readonly PromptTitle[]> {
  const prompts = await pool.query<PromptTitle>(
    `SELECT ${columns} FROM prompts WHERE topic_id = $1 ORDER BY created_at DESC, id DESC LIMIT 50`,
    [topicId],
  );
  return prompts.rows.map(({ id, title, uses }) => ({ id, title, uses }));
}

export function promptRoutes(app: FastifyInstance, pool: Pool): void {
  app.get<{ Querystring: { topic: number } }>('/prompts', { schema: { querystring: listQuery } }, async (request) => ({
    prompts: await listPrompts(pool, request.query.topic),
  }));

  app.get<{ Params: { id: number } }>('/prompts/:id', { schema: { params: promptParams } }, async (request, reply) => {
    const found = await pool.query('SELECT id, title, transcript, uses, rating FROM prompts WHERE id = $1', [request.params.id]);
    return found.rows[0] ?? reply.code(404).send({ error: 'no such prompt' });
  });

  app.get<{ Params: { id: number } }>('/prompts/:id/also', { schema: { params: promptParams } }, async (request) => ({
    prompts: await alsoLoved(pool, request.params.id),
  }));

  app.put<{ Params: { id: number }; Body: { stars: number } }>(
    '/prompts/:id/rating',
    { schema: { params: promptParams, body: rating }, preHandler: requireViewer },
    async (request, reply) => {
      await ratePrompt(pool, request.params.id, request.viewerId, request.body.stars);
      return reply.code(204).send();
    },
  );
}
