import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { AnnealError } from '../errors.ts';
import { assessmentJsonSchema, parseAssessment } from './assessment-schema.ts';
import { anEmptyAssessment, aRichAssessment, nothingKept, withoutDatabase } from './fixtures/assessment.ts';

const written = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const assessments = {
  'everything there is': aRichAssessment(),
  'only measured': anEmptyAssessment(),
  'nothing kept': nothingKept(),
  'no database': withoutDatabase(),
};

test.each(Object.entries(assessments))('an assessment comes back from its file as it was: %s', (_, assessment) => {
  expect(parseAssessment(written(assessment), 'report.json')).toEqual(written(assessment));
});

test.each(Object.entries(assessments))('the published JSON Schema holds for it: %s', (_, assessment) => {
  const validate = new Ajv2020({ strict: false, allErrors: true }).compile(assessmentJsonSchema());
  validate(written(assessment));
  expect(validate.errors).toBeNull();
});

test('the published JSON Schema refuses what the interface does not know', () => {
  const validate = new Ajv2020({ strict: false }).compile(assessmentJsonSchema());
  expect(validate({ ...anEmptyAssessment(), surprise: 1 })).toBe(false);
  expect(validate({ ...anEmptyAssessment(), findings: [{ ...aRichAssessment().findings[0], evidence: [] }] })).toBe(false);
  expect(assessmentJsonSchema()).toMatchObject({ title: 'Anneal assessment', version: '1.0.0', $id: 'urn:anneal:assessment:1.0.0' });
});

function refusalOf(value: unknown): string {
  try {
    parseAssessment(value, 'out/report.json');
  } catch (error) {
    if (error instanceof AnnealError && error.code === 'ANNEAL_REPORT_UNREADABLE') return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

test('a report of another version is refused by its version, whatever else is in it', () => {
  expect(refusalOf({ schemaVersion: '2.0.0', findings: 'renamed' })).toBe(
    'out/report.json is not a report this Anneal can read: it has schema version 2.0.0, this Anneal reads 1.0.0',
  );
});

test('a broken report is refused with the field that is wrong', () => {
  const assessment = aRichAssessment();
  expect(refusalOf({ ...assessment, trials: [{ ...assessment.trials[0]!, rounds: 'many' }] })).toContain('trials[0].rounds');
  expect(refusalOf({ ...assessment, run: { ...assessment.run, startedAt: undefined } })).toContain('run.startedAt');
  expect(refusalOf('nonsense')).toContain('the file');
});
