import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { requireViewer } from '../accounts/viewer.ts';
import { facesOf, neighboursOf } from './faces.ts';
import { locate } from './geocoder.ts';
import { moderate } from './moderation.ts';
import { previewsOf } from './previews.ts';
import { announceShare, translate } from './shares.ts';
import { patienceMs, type Town } from './town.ts';
import { tideAt, weatherAt } from './weather.ts';

const idParams = { type: 'object', required: ['id'], properties: { id: { type: 'integer', minimum: 1 } } };
const placeQuery = { type: 'object', required: ['place'], properties: { place: { type: 'string', maxLength: 80 } } };

/** What plaza asks of the services in town. */
export function townRoutes(app: FastifyInstance, pool: Pool, town: Town): void {
  app.get<{ Params: { id: number } }>('/users/:id/neighbours', { schema: { params: idParams } }, async (request) => ({
    faces: await facesOf(town, await neighboursOf(pool, request.params.id)),
  }));

  app.get<{ Params: { id: number } }>('/posts/:id/previews', { schema: { params: idParams } }, async ({ params: { id } }) => ({
    previews: await previewsOf(town, [`${id}a`, `${id}b`]),
  }));

  app.get<{ Querystring: { place: string } }>('/weather', { schema: { querystring: placeQuery } }, async (request) =>
    weatherAt(town, request.query.place),
  );

  app.get<{ Querystring: { place: string } }>('/tides', { schema: { querystring: placeQuery } }, async (request) =>
    tideAt(town, request.query.place),
  );

  app.get<{ Querystring: { place: string } }>('/places', { schema: { querystring: placeQuery } }, async (request) =>
    locate(town, request.query.place),
  );

  app.get<{ Params: { id: number } }>('/posts/:id/card', { schema: { params: idParams } }, async (request) =>
    cardOf(town, request.params.id),
  );

  const viewed = { schema: { params: idParams }, preHandler: requireViewer };
  app.post<{ Params: { id: number } }>('/posts/:id/moderation', viewed, async (request, reply) => {
    const verdict = await moderate(pool, town, request.params.id);
    return verdict ?? reply.code(404).send({ error: 'no such post' });
  });

  app.post<{ Params: { id: number } }>('/posts/:id/shares', viewed, async (request) => {
    await announceShare(town, request.params.id);
    return { shared: true };
  });

  app.post<{ Params: { id: number } }>('/posts/:id/translations', viewed, async (request) => translate(town, request.params.id));
}

/** A face and a title, asked for side by side. */
async function cardOf(town: Town, postId: number): Promise<unknown> {
  const ask = async (path: string) => (await fetch(town.url + path, { signal: AbortSignal.timeout(patienceMs) })).json();
  const [face, title] = await Promise.all([ask(`/faces/${postId}`), ask(`/links/${postId}/title`)]);
  return { face, title };
}
