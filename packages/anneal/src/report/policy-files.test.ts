import { readPolicies } from '@anneal/agent/protocol';
import { expect, test } from 'vitest';
import type { Trial } from '../trial/trial.ts';
import { aRichAssessment } from './fixtures/assessment.ts';
import { policyFile } from './policy-files.ts';
import { answersWords, headline } from './story.ts';
import { shedding } from '../trial/fixtures/policies.ts';

const tagging = { kind: 'conditional-responses', routes: ['/a'] };
const proven = { decision: 'keep', performance: 'improved', equality: 'match' } as const;
const undecided = { decision: 'rollback', performance: 'no-change', equality: 'match', reason: 'x' } as const;

function tried(policies: readonly (typeof shedding | typeof tagging)[] | null, verdict: Trial['verdict'] = proven): Trial {
  const trial = aRichAssessment().trials[0]!;
  const description = { title: 'A policy', sql: null, lasting: null, ...(policies === null ? {} : { policies }) };
  return { ...trial, finding: null, prediction: null, description, verdict };
}

test('what was kept and stands becomes one file that the agent reads, and the next step names it', () => {
  const file = policyFile([tried([shedding]), tried(null), tried([tagging]), tried([tagging], undecided)])!;
  expect(file.name).toBe('changes/001-shed-load+conditional-responses.policies.json');
  expect(readPolicies(JSON.parse(file.content))).toEqual([shedding, tagging]);
  expect(file.action).toContain('`ANNEAL_POLICIES=changes/001-shed-load+conditional-responses.policies.json`');
});

test.each([
  ['not proven', tried([shedding], undecided)],
  ['no policy, or one that cannot act without Anneal', tried(null)],
])('of what is %s there is no file', (_what, trial) => {
  expect(policyFile([trial])).toBeNull();
});

test('how many requests were refused is said beside how answers compare, and in the first sentence', () => {
  const trial = tried([shedding]);
  const refusing = {
    ...trial,
    rounds: trial.rounds.map((round) => ({
      ...round,
      dropped: [],
      candidate: { ...round.candidate, requests: 100, failedRequests: 0, refusedRequests: 25 },
    })),
  };
  expect(answersWords(refusing)).toMatch(/Requests refused: 25 % \([\d,]+ of [\d,]+\) by the policy on trial/);
  expect(headline({ ...aRichAssessment(), trials: [refusing] })).toContain('with equal answers, 25 % of the requests refused');
  expect(answersWords(trial)).not.toContain('refused');
});
