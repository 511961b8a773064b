import { expect, test } from 'vitest';
import { asynchronousCall } from '../domains/api/codemods/asynchronous-call.ts';
import { oneQueryForTheLoop } from '../domains/api/codemods/one-query-for-the-loop.ts';
import { outgoingTimeout } from '../domains/api/codemods/outgoing-timeout.ts';
import { aMeasurement } from '../finding/fixtures/observations.ts';
import type { Finding } from '../finding/finding.ts';
import type { FindingPatch } from '../source-change/with-patches.ts';
import { ownChange } from './own-change.ts';
import { planPatches, standingBeside } from './patch-changes.ts';
import type { TriedChange } from './planned-change.ts';

const nPlusOne: Finding = {
  ruleId: 'api/sequential-n-plus-one',
  fingerprint: 'loop',
  level: 'error',
  message: 'GET /orders/:id sends one statement 20 times',
  subject: { kind: 'route', key: 'loop', route: 'GET /orders/:id', statementId: 's1' },
  locations: [{ file: 'src/orders.ts', line: 71, function: 'withLines' }],
  impact: { resource: 'request-time', share: 0.2, certainShare: 0.19 },
  evidence: [{ label: 'calls', value: 20, unit: '1', provenance: 'measured', source: 'agent' }],
  costIfIgnored: 'It stays.',
  proposal: { title: 'Ask once', text: 'Ask once.', code: null, expected: null },
};

const loop: FindingPatch = { finding: nPlusOne, codemod: oneQueryForTheLoop, diff: '--- a/src/orders.ts' };

const change = (scope: TriedChange['scope'], given: Partial<TriedChange> = {}): TriedChange => {
  const own = ownChange('run-1', {
    title: 'The remedy',
    lasting: '',
    plan: null,
    workingDirectory: null,
    env: {},
    sql: [],
    running: null,
    metric: 'cpu.time',
    reservations: [],
  });
  return { ...own, scope, findings: [nPlusOne], ...given };
};

const plan = (patches: readonly FindingPatch[], planned: readonly TriedChange[] = [], windowMs = 10_000, seesRoutes = true) =>
  planPatches(patches, {
    run: 'run',
    planned,
    measurement: aMeasurement({ 'agent.runtime': { windowMs } as never }),
    workingDirectory: (role) => `/copies/${role}/api`,
    seesRoutes,
  });

test('a patch runs from its own copy of the tree, and is judged by the time of the route that its finding knows', () => {
  const [patch] = plan([loop]).changes;
  expect(patch).toMatchObject({
    id: 'run-patch-1',
    findings: [nPlusOne],
    isPatch: true,
    metric: 'route.time:GET /orders/:id',
    prediction: null,
    touched: { routes: ['GET /orders/:id'] },
    remedy: { id: 'api/one-query-for-the-loop' },
  });
  expect(patch!.remedy.launch!(patch!.plan, { workingDirectory: '/app', env: {} } as never)).toMatchObject({
    workingDirectory: '/copies/patch-1/api',
  });
  // What is written into ledger and report holds no source.
  expect(JSON.stringify(patch!.plan)).not.toContain('---');
});

test('where a policy was planned for the finding, its patch is promised and judged by the same', () => {
  const promised = {
    metric: 'route.time:GET /orders/:id, GET /carts/:id',
    prediction: {
      metric: 'route.time:GET /orders/:id, GET /carts/:id',
      change: { point: -0.6, lower: -0.8, upper: -0.3, confidenceLevel: 0.95 },
      model: 'amdahl',
      assumptions: [],
    },
    touched: { statementIds: ['s1'], routes: ['GET /orders/:id', 'GET /carts/:id'], writtenTables: [] },
  } as const;
  expect(plan([loop], [change('process', promised)]).changes[0]).toMatchObject(promised);
  // An index for the same statement saves something else.
  expect(plan([loop], [change('database', promised)]).changes[0]!.prediction).toBeNull();
});

test('without an agent nobody tells the routes apart: CPU time decides', () => {
  expect(plan([loop], [], 10_000, false).changes[0]).toMatchObject({ metric: 'cpu.time', touched: null });
});

test('a call that no longer blocks costs as much CPU time as before: the tail that it is in decides', () => {
  const blocking = (blockedMs: number): FindingPatch => ({
    finding: { ...nPlusOne, evidence: [{ ...nPlusOne.evidence[0], label: 'time in them', value: blockedMs }] },
    codemod: asynchronousCall,
    diff: '',
  });
  expect(plan([blocking(1000)]).changes[0]!.metric).toBe('latency.p95');
  expect(plan([blocking(200)]).changes[0]!.metric).toBe('latency.p99');
});

test('what makes nothing faster has no trial, and says why', () => {
  const { changes, unprovable } = plan([{ ...loop, codemod: outgoingTimeout }]);
  expect(changes).toEqual([]);
  expect(unprovable.get('loop')).toMatch(/^it makes nothing faster/);
});

test('two findings of one and the same patch share its trial; another patch has its own', () => {
  const twin = { ...loop, finding: { ...nPlusOne, fingerprint: 'twin' } };
  const other = { ...loop, finding: { ...nPlusOne, fingerprint: 'other' }, diff: '--- b' };
  const { changes } = plan([loop, other, twin]);
  expect(changes.map(({ role, findings }) => [role, findings.map(({ fingerprint }) => fingerprint)])).toEqual([
    ['patch-1', ['loop', 'twin']],
    ['patch-2', ['other']],
  ]);
});

test('a patch is tried beside what stays on the database, and without the policy that it is the lasting form of', () => {
  const index = change('database', { findings: [{ ...nPlusOne, fingerprint: 'slow statement' }] });
  expect(standingBeside(change('launch'), [index, change('process')])).toEqual({ standing: [index], answeredBy: null });
});

test('what stays on the database and answers all of its findings leaves a patch nothing to prove', () => {
  const both = change('launch', { findings: [nPlusOne, { ...nPlusOne, fingerprint: 'second' }] });
  expect(standingBeside(change('launch'), [change('database')]).answeredBy).toBe('"The remedy" was kept and answers it already');
  expect(standingBeside(both, [change('database')]).answeredBy).toBeNull();
});
