import { describe, expect, test } from 'vitest';
import { aRoute, at, someAnswers } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import type { AnswerObservation } from '../../../measurement/observations.ts';
import { missingValidators } from './missing-validators.ts';

const repeated: Partial<AnswerObservation> = {
  examined: 80,
  bodyBytes: 80 * 9_000,
  reads: 80,
  repeats: 60,
  equalRepeats: 50,
  equalRepeatBytes: 50 * 9_000,
};
const diagnose = (given: Partial<AnswerObservation>) =>
  outcomesOf(missingValidators, {
    'agent.routes': [
      aRoute({
        route: '/menu',
        requests: 160,
        responseBytes: 160 * 9_000,
        answeredAt: at('src/menu.ts', 12, 'showMenu'),
        answers: someAnswers({ ...repeated, ...given }),
      }),
      aRoute({ method: 'POST', route: '/orders', requests: 500, responseBytes: 3_000_000, answers: someAnswers({ reads: 0 }) }),
    ],
  });

describe('a menu that nobody can ask about', () => {
  const [finding] = diagnose({}).findings;

  test('is found where it is answered, with the bytes that were sent again for nothing', () => {
    expect(finding).toMatchObject({ subject: { route: 'GET /menu' }, locations: [{ line: 12 }], impact: { resource: 'response-bytes' } });
    expect(finding!.impact.share).toBeCloseTo((1.44 * (50 / 80)) / 4.44);
    expect(evidenceOf(finding, 'answers asked for before')).toBe(60);
  });

  test('is answered with a hash of the body', () => {
    expect(finding!.proposal.code).toContain('etag');
  });
});

test.each<[string, Partial<AnswerObservation>, RegExp]>([
  ['answers with an ETag', { withValidator: 80 }, /ETag or Last-Modified/],
  ['answers that say how long they may be kept', { withCacheControl: 75 }, /Cache-Control or Expires/],
  ['answers of one packet', { bodyBytes: 80_000, equalRepeatBytes: 50_000 }, /takes one packet/],
  ['one answer that came again', { equalRepeats: 2, equalRepeatBytes: 30_000 }, /below 1 %/],
])('silent about %s, with the reason', (_name, given, reason) => {
  const { findings, reasons } = diagnose(given);
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('without a word where every answer is another one', () => {
  expect(diagnose({ equalRepeats: 0, equalRepeatBytes: 0 })).toEqual({ findings: [], reasons: [] });
});
