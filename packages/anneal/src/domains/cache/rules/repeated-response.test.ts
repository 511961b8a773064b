import { expect, test } from 'vitest';
import { diagnose } from '../../../finding/diagnose.ts';
import {
  aCallSite,
  aMeasurement,
  anOutgoing,
  aRoute,
  aRuntime,
  aStatement,
  at,
  repeatedAnswers,
} from '../../../finding/fixtures/observations.ts';
import { usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { RouteObservation } from '../../../measurement/observations.ts';
import { aLoadResult, aStepResult } from '../../../workload/fixtures/load-results.ts';
import { repeatedResponse } from './repeated-response.ts';

const feed = (given: Partial<RouteObservation> = {}) =>
  aRoute({
    route: '/feed/:id',
    requests: 1_000,
    totalMs: 20_000,
    queryMs: 8_000,
    cpuMs: 1_500,
    answers: repeatedAnswers(1_000, 950, 900),
    answeredAt: at('src/feed.ts', 12),
    statements: [aCallSite({ statementId: 'posts' })],
    ...given,
  });
const account = aRoute({
  route: '/account',
  requests: 500,
  totalMs: 10_000,
  queryMs: 500,
  cpuMs: 500,
  answers: repeatedAnswers(500, 0, 0),
  statements: [aCallSite({ statementId: 'posts' })],
});

function diagnosed(route: RouteObservation, writes = 10, steps: readonly string[] = ['GET /feed/{member}']) {
  return diagnose(
    [repeatedResponse],
    aMeasurement({
      load: aLoadResult({ steps: steps.map((name) => aStepResult({ name })) }),
      'agent.routes': [route, account],
      'agent.runtime': aRuntime({ cpuMs: 2_000 }),
      'agent.statements': [
        aStatement({ id: 'posts', text: 'SELECT * FROM posts', kind: 'select', tables: ['posts'] }),
        aStatement({
          id: 'publish',
          text: 'INSERT INTO posts (title) VALUES ($1)',
          kind: 'insert',
          tables: ['public.posts'],
          calls: writes,
        }),
        aStatement({ id: 'visit', text: 'INSERT INTO visits DEFAULT VALUES', kind: 'insert', tables: ['visits'], calls: 5_000 }),
      ],
    }),
    usualSettings,
  );
}

test('answers that repeat are found, with the share that a cache would give', () => {
  const { findings } = diagnosed(feed());
  expect(findings).toHaveLength(1);
  expect(findings[0]).toMatchObject({ subject: { route: 'GET /feed/:id' }, locations: [{ file: 'src/feed.ts', line: 12 }] });
  // 50 keys are asked for 20 times each, beside 10 writes: two thirds survive; 90 % were the same in truth.
  expect(findings[0]!.proposal.expected!.upper).toBeCloseTo(-0.95 * (20 / 30) * (9_500 / 10_500), 3);
  expect(findings[0]!.proposal.expected!.lower).toBeCloseTo(-0.9 * (9_500 / 10_500), 3);
  expect(findings[0]!.impact.certainShare).toBeLessThan(findings[0]!.impact.share);
});

test.each<[string, RouteObservation, number]>([
  ['a table that is written more often than it is read', feed(), 20_000],
  ['requests that write', feed({ statements: [aCallSite({ statementId: 'posts' }), aCallSite({ statementId: 'visit' })] }), 10],
  ['answers of another service', feed({ outgoing: [anOutgoing({ requests: 1_000, perRequest: 1, meanMs: 2 })] }), 10],
])('%s is no reason to keep answers, and it says so', (_name, route, writes) => {
  const { findings, silences } = diagnosed(route, writes);
  expect(findings).toEqual([]);
  expect(silences).toHaveLength(1);
});

test.each<[string, RouteObservation]>([
  ['every answer is a new one', feed({ answers: repeatedAnswers(1_000, 950, 0) })],
  ['nothing is asked for twice', feed({ answers: repeatedAnswers(1_000, 0, 0) })],
  ['nobody looked at the answers', feed({ answers: null })],
  ['no statement ran', feed({ statements: [] })],
  ['the method is not GET', feed({ method: 'POST' })],
])('nothing is found where %s', (_name, route) => {
  expect(diagnosed(route, 20_000).findings).toEqual([]);
});

test('addresses that the workload writes out repeat themselves: then it is a question, and it says so', () => {
  const [finding] = diagnosed(feed(), 10, ['1. GET /feed/7', '2. GET /feed/8?page=2', '3. GET /feed', 'POST /feed/7']).findings;
  expect(finding).toMatchObject({ level: 'note', message: expect.stringContaining('2 written-out addresses') as unknown });
  expect(diagnosed(feed(), 10, ['GET /feed/{member}']).findings[0]!.level).not.toBe('note');
});

test('so do the few sessions of a workload', () => {
  const asSessions = { ...repeatedAnswers(1_000, 950, 900), identifiedReads: 900 };
  const [finding] = diagnosed(feed({ answers: asSessions })).findings;
  expect(finding).toMatchObject({ level: 'note', message: expect.stringContaining('few sessions') as unknown });
});
