import { expect, test } from 'vitest';
import { aRichAssessment } from './fixtures/assessment.ts';
import { holdAction } from './hold-action.ts';

const [trial] = aRichAssessment().trials;
const holdable = { trialIds: ['run-2'], socketPath: '.anneal/hold.sock' };

test('the next step says how a kept policy is put in force, by which id it is ended, and that it ends without its holder', () => {
  const policy = { ...trial!, id: 'run-2', description: { title: 'One statement for all calls', sql: null, lasting: null } };
  const [action, ...others] = holdAction([trial!, policy], holdable);
  expect(others).toEqual([]);
  expect(action).toContain('`ANNEAL_HOLD=.anneal/hold.sock` and `node --import @anneal/agent`, and `anneal hold` beside it');
  expect(action).toContain('keeps in force: One statement for all calls (run-2).');
  expect(action).toContain('`anneal rollback <id>`');
  expect(action).not.toContain(trial!.description.title);
});

test('where no policy was kept nobody is told to hold one', () => {
  expect(holdAction([trial!], holdable)).toEqual([]);
});
