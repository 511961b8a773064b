import { readPolicies } from '@anneal/agent/protocol';
import { expect, test } from 'vitest';
import type { Trial } from '../trial/trial.ts';
import { aRichAssessment } from './fixtures/assessment.ts';
import { policyFiles, withPolicyFile } from './policy-files.ts';
import { answersWords, headline } from './story.ts';

const shedding = {
  kind: 'shed-load',
  maxConcurrent: 8,
  maxWaiting: 16,
  targetDelayMs: 50,
  intervalMs: 500,
  retryAfterSeconds: 1,
  exempt: [],
};

function tried(policies: readonly { readonly kind: string }[], verdict: Trial['verdict']): Trial {
  const [trial] = aRichAssessment().trials;
  return { ...trial!, finding: null, prediction: null, remedyId: 'own/policy', plan: { policies }, verdict };
}

const proven = { decision: 'keep', performance: 'improved', equality: 'match' } as const;

test('a proven policy becomes a file that the agent reads, and its lasting form names it', () => {
  const trial = tried([shedding], proven);
  const [file, ...others] = policyFiles({ trials: [trial] });
  expect(others).toEqual([]);
  expect(file!.name).toBe('changes/001-shed-load.policies.json');
  expect(readPolicies(JSON.parse(file!.content))).toEqual([shedding]);
  expect(withPolicyFile(trial, '.anneal/runs/1').description.lasting).toContain(
    '`ANNEAL_POLICIES=.anneal/runs/1/changes/001-shed-load.policies.json`',
  );
});

test.each([
  ['not proven', tried([shedding], { decision: 'rollback', performance: 'no-change', equality: 'match', reason: 'x' })],
  ['one that cannot act without Anneal', tried([{ kind: 'pool-size' }], proven)],
  ['a change of another kind', { ...tried([shedding], proven), remedyId: 'own/change' }],
] as const)('of what is %s there is no file', (_what, trial) => {
  expect(policyFiles({ trials: [trial] })).toEqual([]);
  expect(withPolicyFile(trial, '.anneal/runs/1')).toBe(trial);
});

test('how many requests were refused is said beside how answers compare, and in the first sentence', () => {
  const trial = tried([shedding], proven);
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
