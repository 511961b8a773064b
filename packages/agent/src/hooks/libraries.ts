import { ioredis } from './ioredis.ts';
import type { Library } from './library.ts';
import { nodeRedis } from './node-redis.ts';
import { nodePostgres } from './pg.ts';

/** Every library the agent meets as it is loaded. */
export const libraries: readonly Library[] = [nodePostgres, ioredis, nodeRedis];
