import { mkdtempDisposable, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createFiles } from '../adapters/node-files.ts';
import type { Finding } from '../finding/finding.ts';
import type { Trial, Verdict } from '../trial/trial.ts';
import type { PatchOutcome } from '../trial/try-patches.ts';
import { assemble, type RunResults } from './assemble.ts';
import type { Assessment } from './assessment.ts';
import { parseAssessment } from './assessment-schema.ts';
import { anEmptyAssessment, aRichAssessment } from './fixtures/assessment.ts';
import { renderHtml } from './html.ts';
import { renderMarkdown } from './markdown.ts';
import { patchFiles } from './patches.ts';
import { headline, verdictWord } from './story.ts';
import { renderText } from './text.ts';
import { writeReports } from './write-reports.ts';

const keep: Verdict = { decision: 'keep', performance: 'improved', equality: 'match' };
const differ: Verdict = {
  decision: 'rollback',
  performance: 'improved',
  equality: 'mismatch',
  reason: 'answers differ: GET / at $.a: 1 → 2',
};
const worse: Verdict = { decision: 'rollback', performance: 'regressed', equality: 'match', reason: 'p95 rose' };
const open: Verdict = { decision: 'rollback', performance: 'inconclusive', equality: 'match', reason: 'after all 24 rounds' };
const none: Verdict = { decision: 'rollback', performance: 'no-change', equality: 'match', reason: 'no change' };

const [drawn] = aRichAssessment().trials;

const finding = (fingerprint: string, diff = `diff of ${fingerprint}`): Finding => ({
  ...drawn!.finding!,
  ruleId: 'api/sequential-n-plus-one',
  fingerprint,
  level: 'warning',
  locations: [{ file: 'app.js', line: 21, function: null }],
  proposal: { title: `Ask once in ${fingerprint}`, text: '', code: null, expected: null, patch: { title: 'Asks once', diff } },
});

const trialOf = (fingerprint: string, verdict: Verdict, of: Partial<Trial> = { isPatch: true }): Trial => ({
  ...drawn!,
  id: `trial of ${fingerprint}`,
  finding: finding(fingerprint),
  prediction: null,
  description: { title: `Patch of ${fingerprint}`, sql: null, lasting: 'Apply the patch.' },
  verdict,
  ...of,
});

/** Findings by name, each with what became of its patch. */
function assessed(outcomes: Readonly<Record<string, PatchOutcome>>, more: Partial<RunResults> = {}): Assessment {
  const empty = anEmptyAssessment();
  const tried = Object.values(outcomes).flatMap((outcome) => ('trial' in outcome ? [outcome.trial] : []));
  return assemble({
    ...empty,
    run: () => ({ ...empty.run, command: 'optimize' }),
    windows: [],
    findings: Object.keys(outcomes).map((name) => finding(name)),
    suppressed: new Map(),
    unplanned: new Map(),
    changes: [],
    patches: new Map(Object.entries(outcomes)),
    applied: false,
    ...more,
    trials: [...(more.trials ?? []), ...tried],
  });
}

test('the verdict of its patch decides how a finding stands, and whether the patch is offered', () => {
  const assessment = assessed({
    proven: { trial: trialOf('proven', keep) },
    different: { trial: trialOf('different', differ) },
    worse: { trial: trialOf('worse', worse) },
    open: { trial: trialOf('open', open) },
    none: { trial: trialOf('none', none) },
    broken: { withdrawn: 'the backend does not start with it' },
    late: { untried: 'the time was over' },
    timeout: { unprovable: 'it makes nothing faster' },
  });
  const of = assessment.findings.map(({ fingerprint, standing, patch }) => [fingerprint, standing, patch!.standing, patch!.file]);
  expect(of).toEqual([
    ['proven', 'confirmed', 'proven', 'changes/001-sequential-n-plus-one.patch'],
    ['different', 'undecided', 'withdrawn', 'changes/withdrawn/002-sequential-n-plus-one.patch'],
    ['worse', 'refuted', 'withdrawn', 'changes/withdrawn/003-sequential-n-plus-one.patch'],
    ['open', 'undecided', 'undecided', 'changes/004-sequential-n-plus-one.patch'],
    ['none', 'refuted', 'undecided', 'changes/005-sequential-n-plus-one.patch'],
    ['broken', 'proposed', 'withdrawn', 'changes/withdrawn/006-sequential-n-plus-one.patch'],
    ['late', 'proposed', 'untried', 'changes/007-sequential-n-plus-one.patch'],
    ['timeout', 'proposed', 'unprovable', 'changes/008-sequential-n-plus-one.patch'],
  ]);
  expect(assessment.nextActions).toEqual([
    'Ask once in proven (app.js:21), proven: `git apply changes/001-sequential-n-plus-one.patch`',
    'Ask once in different (app.js:21): not by its patch, which was withdrawn (answers differ: GET / at $.a: 1 → 2)',
    'Ask once in open (app.js:21): read and prove changes/004-sequential-n-plus-one.patch (`anneal try --patch`)',
    'Ask once in broken (app.js:21): not by its patch, which was withdrawn (the backend does not start with it)',
    'Ask once in late (app.js:21): read and prove changes/007-sequential-n-plus-one.patch (`anneal try --patch`)',
    'Ask once in timeout (app.js:21): read changes/008-sequential-n-plus-one.patch (it makes nothing faster)',
  ]);
});

test('a patch is neither kept nor rolled back, and costs nothing until somebody applies it', () => {
  const assessment = assessed({ proven: { trial: trialOf('proven', keep) }, different: { trial: trialOf('d', differ) } });
  const { summary, costs, trials } = assessment;
  expect(summary.trials).toEqual({ kept: 0, rolledBack: 0, inconclusive: 0 });
  expect(costs.diskBytes).toBe(0);
  expect(trials.map((trial) => verdictWord(trial))).toEqual(['proven: improved, equal', 'withdrawn: answers differ']);
  // Nobody is told how to keep what was withdrawn.
  expect(renderMarkdown(assessment).match(/To keep it for good/g)).toHaveLength(1);
});

test('the proven patch takes the place of the words that say how to make the policy last', () => {
  const policy = trialOf('both', keep, {
    id: 'policy',
    description: { title: 'Batch', sql: null, lasting: 'Collect the keys and ask once.' },
  });
  const changes = [{ id: 'policy', findings: [finding('both')] }] as never;
  const both = assessed({ both: { trial: trialOf('both', keep) } }, { changes, trials: [policy] });
  expect(both.findings[0]).toMatchObject({ standing: 'confirmed', trialId: 'policy', patch: { trialId: 'trial of both' } });
  expect(both.nextActions).toEqual(['Ask once in both (app.js:21), proven: `git apply changes/001-sequential-n-plus-one.patch`']);
  const unproven = assessed({ both: { trial: trialOf('both', open) } }, { changes, trials: [policy] });
  expect(unproven.nextActions).toEqual(['Collect the keys and ask once.']);
});

test('a patch that is proven confirms a finding whose policy was not kept', () => {
  const policy = trialOf('both', none, { id: 'policy' });
  const changes = [{ id: 'policy', findings: [finding('both')] }] as never;
  expect(assessed({ both: { trial: trialOf('both', keep) } }, { changes, trials: [policy] }).findings[0]).toMatchObject({
    standing: 'confirmed',
    trialId: 'trial of both',
  });
});

test('findings of one patch share its file, and a suppressed one has none', () => {
  const findings = [finding('one', 'same'), finding('two', 'same'), finding('three')];
  const assessment = assessed({}, { findings, suppressed: new Map([['three', 'accepted']]) });
  expect(assessment.findings.map(({ patch }) => patch?.file)).toEqual([
    'changes/001-sequential-n-plus-one.patch',
    'changes/001-sequential-n-plus-one.patch',
    undefined,
  ]);
  expect(patchFiles(assessment)).toHaveLength(1);
});

test('what was withdrawn lies apart from what `git apply changes/*.patch` meets', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'anneal-patches-'));
  await writeReports(
    createFiles(),
    folder.path,
    assessed({ proven: { trial: trialOf('proven', keep) }, different: { trial: trialOf('different', differ) } }),
  );
  const files = await readdir(join(folder.path, 'changes'), { recursive: true });
  expect(files.toSorted()).toEqual([
    '001-sequential-n-plus-one.patch',
    'README.md',
    'withdrawn',
    'withdrawn/002-sequential-n-plus-one.patch',
  ]);
});

test('every report tells what was proven and what was withdrawn, and report.json holds it', () => {
  const assessment = assessed({ proven: { trial: trialOf('proven', keep) }, different: { trial: trialOf('different', differ) } });
  expect(parseAssessment(JSON.parse(JSON.stringify(assessment)), 'report.json')).toEqual(assessment);
  expect(headline(assessment)).toBe('1 patch of the source proven, for you to apply; nothing was changed.');
  for (const report of [renderText(assessment, process.stdout), renderMarkdown(assessment), renderHtml(assessment)]) {
    const flat = report.replaceAll(/\s+/g, ' ');
    expect(flat).toContain('2 patches of the source written, none applied: 1 proven, 1 withdrawn');
    expect(flat).toContain('git apply changes/001-sequential-n-plus-one.patch');
    expect(flat).not.toContain('git apply changes/withdrawn');
    expect(flat).not.toContain('anneal rollback');
    expect(flat).toMatch(/tried alone, beside what was kept in the database and without policies/);
  }
});
