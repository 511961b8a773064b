import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readToken } from './tokens.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** 0 for a visitor who is not logged in. */
    viewerId: number;
  }
}

export function identifyViewers(app: FastifyInstance): void {
  app.decorateRequest('viewerId', 0);
  app.addHook('onRequest', async (request) => {
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    if (scheme === 'Bearer' && token !== undefined) request.viewerId = readToken(token) ?? 0;
  });
}

/** For routes that make no sense without an account. */
export async function requireViewer(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (request.viewerId === 0) await reply.code(401).send({ error: 'log in first' });
}
