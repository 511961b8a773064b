import { expect, test } from 'vitest';
import type { Trial, Verdict } from '../trial/trial.ts';
import { scoreTrials } from '../prediction/calibration.ts';
import type { Assessment } from './assessment.ts';
import { parseAssessment } from './assessment-schema.ts';
import { aRichAssessment } from './fixtures/assessment.ts';
import { renderHtml, sectionIds } from './html.ts';
import { renderMarkdown } from './markdown.ts';
import { headline } from './story.ts';
import { renderText } from './text.ts';

/** A trial as `anneal try` makes it: nobody found anything, and nobody predicted. */
function tried(verdict: Verdict): Assessment {
  const rich = aRichAssessment();
  const brought: Trial = {
    ...rich.trials[0]!,
    finding: null,
    prediction: null,
    remedyId: 'own/change',
    description: {
      title: 'Patch of app.js',
      sql: null,
      lasting: 'The change is yours to keep.',
      reservations: ['Both servers ran before.'],
    },
    verdict,
  };
  const isKept = verdict.decision === 'keep';
  const trials = { kept: isKept ? 1 : 0, rolledBack: isKept ? 0 : 1, inconclusive: 0 };
  return {
    ...rich,
    run: { ...rich.run, command: 'try' },
    summary: { ...rich.summary, trials },
    findings: [],
    silences: [],
    calibration: scoreTrials([brought]),
    trials: [brought],
  };
}

const proven = tried({ decision: 'keep', performance: 'improved', equality: 'match' });
const different = tried({
  decision: 'rollback',
  performance: 'improved',
  equality: 'mismatch',
  reason: 'answers differ: GET / at $.a: 1 → 2',
});
const every = (assessment: Assessment) => [renderText(assessment, process.stdout), renderMarkdown(assessment), renderHtml(assessment)];

test('its report is one that report.json can hold', () => {
  expect(parseAssessment(JSON.parse(JSON.stringify(proven)), 'report.json')).toEqual(proven);
});

test('the first thing said is whether it is proven, by which figure', () => {
  expect(headline(proven)).toMatch(/^Proven: .+ with equal answers, measured in \d+ rounds/);
  expect(headline(different)).toBe('Not proven (answers differ). Patch of app.js: Answers differ: GET / at $.a: 1 → 2.');
  expect(headline(tried({ decision: 'rollback', performance: 'improved', equality: 'match', reason: 'x' }))).toContain('not confirmed');
});

test.each([
  ['proven', proven],
  ['not proven', different],
])('no report of a change that is %s speaks of undoing it: nothing was applied', (_what, assessment) => {
  for (const report of every(assessment)) {
    expect(report).toContain('Patch of app.js');
    expect(report).not.toMatch(/rolled back|anneal rollback|predicted [−+\d]/i);
  }
});

test('every report says what its figures do not cover', () => {
  for (const report of every(proven)) {
    expect(report).toContain('Both servers ran before.');
    // The rich assessment's window lacks a source that only rules read.
    expect(report).not.toContain('postgres.waits was not read');
    expect(report.replaceAll(/\s+/g, ' ')).toMatch(/Not measured on both arms, so that the change was not held to it: .*database time/);
  }
});

test('sections about findings, predictions and undo are left out, and no prediction is scored', () => {
  expect(sectionIds(proven)).toEqual(['summary', 'before-after', 'worth', 'trials', 'traffic', 'limits', 'reproduce']);
  expect(proven.calibration).toEqual([]);
});
