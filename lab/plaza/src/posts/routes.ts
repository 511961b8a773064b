import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { requireViewer } from '../accounts/viewer.ts';
import { listArchive } from './archive.ts';
import { postsBy } from './authored.ts';
import { addComment, hasNewComments, listComments, removeComment } from './comments.ts';
import { lastPosts } from './last-posts.ts';
import { seriousLikes } from './likes.ts';
import { createPost, likePost, readPost } from './post-store.ts';
import { saveReadingPosition } from './reading.ts';
import { searchPosts } from './search.ts';
import { readTopic } from './topics.ts';

const postParams = { type: 'object', required: ['id'], properties: { id: { type: 'integer', minimum: 1 } } };
const newPost = {
  type: 'object',
  required: ['topicId', 'title', 'body'],
  properties: {
    topicId: { type: 'integer', minimum: 1 },
    title: { type: 'string', minLength: 1, maxLength: 200 },
    body: { type: 'string', minLength: 1, maxLength: 20_000 },
  },
};
const newComment = { type: 'object', required: ['body'], properties: { body: { type: 'string', minLength: 1, maxLength: 5000 } } };
const archiveQuery = {
  type: 'object',
  properties: { page: { type: 'integer', minimum: 1, default: 1 }, before: { type: 'integer', minimum: 1, default: 2_147_483_647 } },
};
const searchQuery = { type: 'object', required: ['q'], properties: { q: { type: 'string', minLength: 3, maxLength: 80 } } };

const handQuery = { type: 'object', required: ['hand'], properties: { hand: { type: 'string', minLength: 1, maxLength: 80 } } };
const newsQuery = { type: 'object', required: ['after'], properties: { after: { type: 'integer', minimum: 0 } } };
const position = { type: 'object', required: ['line'], properties: { line: { type: 'integer', minimum: 0 } } };

export function postRoutes(app: FastifyInstance, pool: Pool): void {
  app.get<{ Params: { id: number } }>('/posts/:id', { schema: { params: postParams } }, async (request, reply) => {
    const post = await readPost(pool, request.params.id);
    return post ?? reply.code(404).send({ error: 'no such post' });
  });

  app.get<{ Params: { id: number } }>('/posts/:id/comments', { schema: { params: postParams } }, async (request) => ({
    comments: await listComments(pool, request.params.id),
  }));

  app.post<{ Body: { topicId: number; title: string; body: string } }>(
    '/posts',
    { schema: { body: newPost }, preHandler: requireViewer },
    async (request, reply) => {
      const { topicId, title, body } = request.body;
      return reply.code(201).send({ id: await createPost(pool, request.viewerId, topicId, title, body) });
    },
  );

  app.post<{ Params: { id: number }; Body: { body: string } }>(
    '/posts/:id/comments',
    { schema: { params: postParams, body: newComment }, preHandler: requireViewer },
    async (request, reply) => reply.code(201).send({ id: await addComment(pool, request.params.id, request.viewerId, request.body.body) }),
  );

  app.put<{ Params: { id: number } }>(
    '/posts/:id/like',
    { schema: { params: postParams }, preHandler: requireViewer },
    async (request, reply) => {
      await likePost(pool, request.params.id, request.viewerId);
      return reply.code(204).send();
    },
  );

  app.get<{ Querystring: { page: number; before: number } }>('/archive', { schema: { querystring: archiveQuery } }, async (request) => ({
    posts: await listArchive(pool, request.query.page, request.query.before),
  }));

  app.get<{ Querystring: { q: string } }>('/search', { schema: { querystring: searchQuery } }, async (request) => ({
    hits: await searchPosts(pool, request.query.q),
  }));

  app.get<{ Params: { slug: string } }>('/topics/:slug', async (request, reply) => {
    const topic = await readTopic(pool, request.params.slug);
    return topic ?? reply.code(404).send({ error: 'no such topic' });
  });

  app.get('/posts/last', async () => ({ posts: await lastPosts(pool) }));

  app.get<{ Querystring: { hand: string } }>('/posts/by', { schema: { querystring: handQuery } }, async (request) => ({
    posts: await postsBy(pool, request.query.hand),
  }));

  app.get<{ Params: { id: number } }>('/posts/:id/likes', { schema: { params: postParams } }, async (request) => ({
    likes: await seriousLikes(pool, request.params.id),
  }));

  app.put<{ Params: { id: number }; Body: { line: number } }>(
    '/posts/:id/position',
    { schema: { params: postParams, body: position }, preHandler: requireViewer },
    async (request, reply) => {
      await saveReadingPosition(pool, request.viewerId, request.params.id, request.body.line);
      return reply.code(204).send();
    },
  );

  app.get<{ Querystring: { after: number } }>('/comments/news', { schema: { querystring: newsQuery } }, async (request) => ({
    fresh: await hasNewComments(pool, request.query.after),
  }));

  app.delete<{ Params: { id: number } }>(
    '/admin/comments/:id',
    { schema: { params: postParams }, preHandler: requireViewer },
    async (request, reply) => {
      await removeComment(pool, request.params.id, request.viewerId);
      return reply.code(204).send();
    },
  );
}
