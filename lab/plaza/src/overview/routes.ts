import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import { isFixed } from '../fix.ts';
import { topicTotals, type TopicTotal } from './topic-totals.ts';

interface Overview {
  readonly busiest: readonly string[];
  readonly freshest: readonly string[];
  readonly posts: number;
}

export async function readOverview(pool: Pool): Promise<Overview> {
  if (isFixed('overview-topic-totals')) {
    const totals = await topicTotals(pool);
    return { busiest: busiest(totals), freshest: freshest(totals), posts: sum(totals) };
  }
  return { busiest: await busiestTopics(pool), freshest: await freshestTopics(pool), posts: await countPosts(pool) };
}

async function busiestTopics(pool: Pool): Promise<readonly string[]> {
  return busiest(await topicTotals(pool));
}

async function freshestTopics(pool: Pool): Promise<readonly string[]> {
  return freshest(await topicTotals(pool));
}

async function countPosts(pool: Pool): Promise<number> {
  return sum(await topicTotals(pool));
}

function busiest(totals: readonly TopicTotal[]): readonly string[] {
  return names(totals.toSorted((a, b) => b.posts - a.posts));
}

function freshest(totals: readonly TopicTotal[]): readonly string[] {
  return names(totals.toSorted((a, b) => b.latestAt.getTime() - a.latestAt.getTime()));
}

function names(totals: readonly TopicTotal[]): readonly string[] {
  return totals.slice(0, 5).map((total) => total.name);
}

function sum(totals: readonly TopicTotal[]): number {
  return totals.reduce((posts, total) => posts + total.posts, 0);
}

export function overviewRoutes(app: FastifyInstance, pool: Pool): void {
  app.get('/overview', () => readOverview(pool));
}
