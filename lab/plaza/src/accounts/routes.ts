import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { interestsOf } from '../posts/likes.ts';
import { findAccountByEmail, follow, listFollowing } from './account-store.ts';
import { listNewcomers } from './newcomers.ts';
import { verifyPassword } from './password.ts';
import { readProfile } from './profile.ts';
import { issueToken } from './tokens.ts';
import { requireViewer } from './viewer.ts';

const userParams = { type: 'object', required: ['id'], properties: { id: { type: 'integer', minimum: 1 } } };
const credentials = {
  type: 'object',
  required: ['email', 'password'],
  properties: { email: { type: 'string' }, password: { type: 'string', maxLength: 200 } },
};
const emailQuery = { type: 'object', required: ['email'], properties: { email: { type: 'string', minLength: 3 } } };

export function accountRoutes(app: FastifyInstance, pool: Pool): void {
  app.post<{ Body: { email: string; password: string } }>('/login', { schema: { body: credentials } }, async (request, reply) => {
    const account = await findAccountByEmail(pool, request.body.email);
    if (account === null || !(await verifyPassword(request.body.password, account.password_hash))) {
      return reply.code(401).send({ error: 'wrong email or password' });
    }
    return { token: issueToken(account.id), account: { id: account.id, handle: account.handle } };
  });

  app.get<{ Querystring: { email: string } }>('/accounts/available', { schema: { querystring: emailQuery } }, async (request) => ({
    email: request.query.email,
    available: (await findAccountByEmail(pool, request.query.email)) === null,
  }));

  app.get('/users/newcomers', async () => ({ newcomers: await listNewcomers(pool) }));

  app.get<{ Params: { id: number } }>('/users/:id', { schema: { params: userParams } }, async (request, reply) => {
    const profile = await readProfile(pool, request.params.id);
    return profile ?? reply.code(404).send({ error: 'no such member' });
  });

  app.get<{ Params: { id: number } }>('/users/:id/following', { schema: { params: userParams } }, async (request) => ({
    following: await listFollowing(pool, request.params.id),
  }));

  app.get<{ Params: { id: number } }>('/users/:id/interests', { schema: { params: userParams } }, async (request) => ({
    interests: await interestsOf(pool, request.params.id),
  }));

  app.put<{ Params: { id: number } }>(
    '/users/:id/follow',
    { schema: { params: userParams }, preHandler: requireViewer },
    async (request, reply) => {
      await follow(pool, request.viewerId, request.params.id);
      return reply.code(204).send();
    },
  );
}
