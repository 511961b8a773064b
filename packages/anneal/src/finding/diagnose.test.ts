import { describe, expect, test } from 'vitest';
import { aMeasurement, aRoute, aCallSite, at } from './fixtures/observations.ts';
import { diagnose } from './diagnose.ts';
import { defineRule, type Rule, type RuleId, type RuleOutcome, type Subject } from './finding.ts';

const settings = { minimumShare: 0.01 };

const outcome = (subject: Subject, share: number, message = 'it is slow'): RuleOutcome => ({
  level: 'warning',
  message,
  subject,
  locations: [at(`${message}.ts`, 1)],
  impact: { resource: 'request-time', share, certainShare: share },
  evidence: [{ label: message, value: share, unit: '1', provenance: 'measured', source: 'test' }],
  costIfIgnored: '',
  proposal: { title: '', text: '', code: null, expected: null },
});
const ruleOf = (id: RuleId, outcomes: readonly RuleOutcome[], yieldsTo: readonly RuleId[] = []): Rule =>
  defineRule({ id, title: id, description: id, requires: ['agent.routes'], yieldsTo, diagnose: () => outcomes });

const route = (name: string, statementId: string | null = null): Subject => ({ kind: 'route', key: name, route: name, statementId });
const statement = (statementId: string): Subject => ({
  kind: 'statement',
  key: statementId,
  statementId,
  text: `SELECT ${statementId}`,
  tables: [],
  columns: [],
});

const measurement = aMeasurement({
  'agent.routes': [
    aRoute({ route: '/orders', statements: [aCallSite({ statementId: 'orders' }), aCallSite({ statementId: 'lines' })] }),
    aRoute({ route: '/sensors', statements: [aCallSite({ statementId: 'readings' })] }),
  ],
});
const run = (...rules: readonly Rule[]) => diagnose(rules, measurement, settings);

describe('findings', () => {
  test('carry their rule and a fingerprint that is the same in every run and differs by rule and subject', () => {
    const [first] = run(ruleOf('test/a', [outcome(statement('orders'), 0.1)])).findings;
    const [again] = run(ruleOf('test/a', [outcome(statement('orders'), 0.9, 'much slower')])).findings;
    const [otherRule] = run(ruleOf('test/b', [outcome(statement('orders'), 0.1)])).findings;
    const [otherSubject] = run(ruleOf('test/a', [outcome(statement('lines'), 0.1)])).findings;
    expect(first).toMatchObject({ ruleId: 'test/a', fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(again?.fingerprint).toBe(first?.fingerprint);
    expect(new Set([first?.fingerprint, otherRule?.fingerprint, otherSubject?.fingerprint]).size).toBe(3);
  });

  test('of one rule about one subject are one finding: the larger speaks, evidence and locations of both stay', () => {
    const { findings } = run(ruleOf('test/a', [outcome(statement('orders'), 0.1, 'small'), outcome(statement('orders'), 0.4, 'large')]));
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ message: 'large', impact: { share: 0.4 } });
    expect(findings[0]!.evidence.map(({ label }) => label)).toEqual(['large', 'small']);
    expect(findings[0]!.locations.map(({ file }) => file)).toEqual(['large.ts', 'small.ts']);
  });

  test('stand in the order of what they cost, whichever rule made them', () => {
    const { findings } = run(ruleOf('test/a', [outcome(statement('orders'), 0.1)]), ruleOf('test/b', [outcome(statement('lines'), 0.3)]));
    expect(findings.map(({ ruleId }) => ruleId)).toEqual(['test/b', 'test/a']);
  });
});

describe('silences', () => {
  test('say which data is missing and why', () => {
    const rule = defineRule({
      id: 'test/plans',
      title: '',
      description: '',
      requires: ['agent.routes', 'postgres.plans', 'postgres.waits'],
      diagnose: () => [outcome(statement('orders'), 1)],
    });
    const { findings, silences } = diagnose(
      [rule],
      aMeasurement({ 'agent.routes': [] }, [{ capability: 'postgres.plans', reason: 'no privilege' }]),
      settings,
    );
    expect(findings).toEqual([]);
    expect(silences).toEqual([
      { ruleId: 'test/plans', subject: 'postgres.plans', reason: 'no data: postgres.plans: no privilege' },
      { ruleId: 'test/plans', subject: 'postgres.waits', reason: 'no data: postgres.waits: no probe read it' },
    ]);
  });

  test('of a rule carry its id', () => {
    expect(run(ruleOf('test/a', [{ silent: { subject: 'orders', reason: 'too rare' } }])).silences).toEqual([
      { ruleId: 'test/a', subject: 'orders', reason: 'too rare' },
    ]);
  });
});

describe('a symptom yields to its cause', () => {
  const cause = (subject: Subject) => ruleOf('test/cause', [outcome(subject, 0.2, 'the cause')]);
  const symptom = (subject: Subject) => ruleOf('test/symptom', [outcome(subject, 0.5, 'the symptom')], ['test/cause']);

  test('on the same statement', () => {
    const { findings, silences } = run(symptom(route('GET /orders', 'orders')), cause(statement('orders')));
    expect(findings.map(({ ruleId }) => ruleId)).toEqual(['test/cause']);
    expect(silences).toEqual([{ ruleId: 'test/symptom', subject: 'GET /orders', reason: 'explained by test/cause: the cause' }]);
  });

  test('on the route a cause without that statement is about', () => {
    expect(run(symptom(route('GET /orders')), cause(statement('lines'))).findings.map(({ ruleId }) => ruleId)).toEqual(['test/cause']);
    expect(run(symptom(route('GET /sensors')), cause(statement('lines'))).findings).toHaveLength(2);
  });

  test('but not on two different statements of one route', () => {
    expect(run(symptom(route('GET /orders', 'orders')), cause(route('GET /orders', 'lines'))).findings).toHaveLength(2);
  });

  test('and not where the cause was not found', () => {
    expect(run(symptom(route('GET /orders')), ruleOf('test/cause', [])).findings).toHaveLength(1);
  });

  test('down to the root of a chain, which is what is reported', () => {
    const middle = ruleOf('test/cause', [outcome(route('GET /orders'), 0.3, 'the middle')], ['test/root']);
    const root = ruleOf('test/root', [outcome(statement('lines'), 0.1, 'the root')]);
    const { findings, silences } = run(symptom(route('GET /orders')), middle, root);
    expect(findings.map(({ ruleId }) => ruleId)).toEqual(['test/root']);
    expect(silences.map(({ reason }) => reason)).toEqual(['explained by test/root: the root', 'explained by test/root: the root']);
  });
});
