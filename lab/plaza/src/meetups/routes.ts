import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { requireViewer } from '../accounts/viewer.ts';
import { findInvitation, invite } from './invitations.ts';
import { completeTitle, meetupsByTitle, meetupsIn, meetupsOfReporters, meetupsOn, nextMeetups } from './meetup-store.ts';

/** As geocoders write it: `Amberland/Dunford`. */
const placeQuery = { type: 'object', required: ['place'], properties: { place: { type: 'string', pattern: '^[^/]+/[^/]+$' } } };
const hostsQuery = {
  type: 'object',
  required: ['place', 'from', 'since'],
  properties: { ...placeQuery.properties, from: { type: 'string', format: 'date' }, since: { type: 'string', format: 'date' } },
};
const dayQuery = { type: 'object', required: ['day'], properties: { day: { type: 'string', format: 'date' } } };
const nextQuery = {
  type: 'object',
  required: ['country', 'after'],
  properties: { country: { type: 'string', maxLength: 80 }, after: { type: 'string', format: 'date' } },
};
const titleQuery = { type: 'object', required: ['beginning'], properties: { beginning: { type: 'string', minLength: 3, maxLength: 80 } } };
const pageQuery = { type: 'object', properties: { after: { type: 'string', maxLength: 200, default: '' } } };
const codeQuery = { type: 'object', required: ['code'], properties: { code: { type: 'string', minLength: 3, maxLength: 40 } } };
const meetupParams = { type: 'object', required: ['id'], properties: { id: { type: 'integer', minimum: 1 } } };
const guestList = {
  type: 'object',
  required: ['guests'],
  properties: { guests: { type: 'array', minItems: 1, maxItems: 100, items: { type: 'integer', minimum: 1 } } },
};

export function meetupRoutes(app: FastifyInstance, pool: Pool): void {
  app.get<{ Querystring: { place: string } }>('/meetups', { schema: { querystring: placeQuery } }, async (request) => {
    const [country = '', city = ''] = request.query.place.split('/');
    return { meetups: await meetupsIn(pool, country, city) };
  });

  app.get<{ Querystring: { day: string } }>('/meetups/calendar', { schema: { querystring: dayQuery } }, async (request) => ({
    meetups: await meetupsOn(pool, request.query.day),
  }));

  app.get<{ Querystring: { country: string; after: string } }>(
    '/meetups/next',
    { schema: { querystring: nextQuery } },
    async (request) => ({
      meetups: await nextMeetups(pool, request.query.country, request.query.after),
    }),
  );

  app.get<{ Querystring: { beginning: string } }>('/meetups/titles', { schema: { querystring: titleQuery } }, async (request) => ({
    titles: await completeTitle(pool, request.query.beginning),
  }));

  app.get<{ Querystring: { after: string } }>('/meetups/index', { schema: { querystring: pageQuery } }, async (request) => ({
    meetups: await meetupsByTitle(pool, request.query.after),
  }));

  app.get<{ Querystring: { place: string; from: string; since: string } }>(
    '/meetups/hosts',
    { schema: { querystring: hostsQuery } },
    async (request) => {
      const [country = '', city = ''] = request.query.place.split('/');
      return { meetups: await meetupsOfReporters(pool, { country, city, from: request.query.from, since: request.query.since }) };
    },
  );

  app.post<{ Params: { id: number }; Body: { guests: readonly number[] } }>(
    '/meetups/:id/invitations',
    { schema: { params: meetupParams, body: guestList }, preHandler: requireViewer },
    async (request, reply) => {
      await invite(pool, request.params.id, request.body.guests);
      return reply.code(201).send({ invited: request.body.guests.length });
    },
  );

  app.get<{ Querystring: { code: string } }>('/invitations', { schema: { querystring: codeQuery } }, async (request, reply) => {
    const invitation = await findInvitation(pool, request.query.code);
    return invitation ?? reply.code(404).send({ error: 'no such invitation' });
  });
}
