import { describe, expect, test } from 'vitest';
import { aRoute, at, someAnswers } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { AnswerObservation } from '../../../measurement/observations.ts';
import { uncompressedResponse } from './uncompressed-response.ts';

const long: Partial<AnswerObservation> = {
  examined: 60,
  bodyBytes: 60 * 80_000,
  large: 60,
  uncompressed: 60,
  uncompressedBytes: 60 * 80_000,
  sampledBytes: 240_000,
  sampledCompressedBytes: 48_000,
};
const diagnose = (given: Partial<AnswerObservation>) =>
  outcomesOf(uncompressedResponse, {
    'agent.routes': [
      aRoute({
        route: '/timetable',
        requests: 100,
        responseBytes: 100 * 80_000,
        answeredAt: at('src/timetable.ts', 8, 'timetableRoutes'),
        answers: someAnswers({ ...long, ...given }),
      }),
      aRoute({ route: '/stops/:id', requests: 1_000, responseBytes: 2_000_000, answers: someAnswers() }),
      aRoute({ route: '/unseen' }),
    ],
  });

describe('a timetable that is sent as it is', () => {
  const [finding] = diagnose({}).findings;

  test('is found where it is answered, with the share of bytes that compression spares', () => {
    expect(finding).toMatchObject({ level: 'error', subject: { route: 'GET /timetable' }, locations: [{ line: 8 }] });
    expect(finding!.impact.resource).toBe('response-bytes');
    expect(finding!.impact.share).toBeCloseTo((0.8 * 8) / 10.05, 3);
  });

  test('tells the round trips: 80 kB take three flights, 16 kB two', () => {
    expect(evidenceOf(finding, 'the same compressed')).toBe(16_000);
    expect(evidenceOf(finding, 'round trips saved per answer')).toBe(1);
  });
});

test.each<[string, Partial<AnswerObservation>, RegExp]>([
  ['clients that do not take compressed answers', { uncompressed: 0, uncompressedBytes: 0 }, /no client said/],
  ['answers that were too long to be tried', { sampledBytes: 0 }, /none of its long answers could be compressed/],
  ['what does not get shorter', { sampledCompressedBytes: 239_000 }, /below 1 %/],
  ['a single long answer', { uncompressed: 1, uncompressedBytes: 80_000 }, /below 1 %/],
])('silent about %s, with the reason', (_name, given, reason) => {
  const { findings, reasons } = diagnose(given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('without a word where every answer is short or compressed', () => {
  expect(diagnose({ large: 0, uncompressed: 0, uncompressedBytes: 0 })).toEqual({ findings: [], reasons: [] });
});
