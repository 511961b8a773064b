import { bullmq } from './bullmq.ts';
import { drizzle } from './drizzle.ts';
import { express } from './express.ts';
import { hono } from './hono.ts';
import { ioredis } from './ioredis.ts';
import { knex } from './knex.ts';
import { koa } from './koa.ts';
import type { Library } from './library.ts';
import { mysql2 } from './mysql2.ts';
import { nodeRedis } from './node-redis.ts';
import { nodePostgres } from './pg.ts';
import { postgresJs } from './postgres-js.ts';
import { prisma } from './prisma.ts';
import { socketIo } from './socket-io.ts';
import { typeorm } from './typeorm.ts';
import { ws } from './ws.ts';

/** Every library the agent meets as it is loaded. */
export const libraries: readonly Library[] = [
  nodePostgres,
  postgresJs,
  mysql2,
  drizzle,
  knex,
  prisma,
  typeorm,
  ioredis,
  nodeRedis,
  express,
  koa,
  hono,
  bullmq,
  ws,
  socketIo,
];
