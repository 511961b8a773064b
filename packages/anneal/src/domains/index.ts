import { ai } from './ai/index.ts';
import { api } from './api/index.ts';
import { cache } from './cache/index.ts';
import { database } from './database/index.ts';
import { feed } from './feed/index.ts';
import { frontend } from './frontend/index.ts';
import { infrastructure } from './infrastructure/index.ts';
import { queue } from './queue/index.ts';
import { realtime } from './realtime/index.ts';
import type { Domain } from './domain.ts';

/** Every field of expertise Anneal has, in the order a report tells them. */
export const domains: readonly Domain[] = [database, api, cache, realtime, feed, ai, queue, infrastructure, frontend];
