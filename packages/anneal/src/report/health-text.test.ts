import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import type { Finding } from '../finding/finding.ts';
import type { HealthReport } from './health-report.ts';
import { renderHealth } from './health-text.ts';

// Not a terminal: no colours.
const stream = new PassThrough() as unknown as NodeJS.WriteStream;

const nameless = (name: string): Finding => ({
  ruleId: 'database/missing-primary-key',
  fingerprint: name,
  level: 'warning',
  message: `${name} has no key`,
  subject: { kind: 'object', key: `table ${name}`, type: 'table', name },
  locations: [],
  impact: { resource: 'headroom', share: 0, certainShare: 0 },
  evidence: [{ label: 'rows', value: 1200, unit: '1', provenance: 'measured', source: 'pg_class' }],
  costIfIgnored: 'No row can be named.',
  proposal: {
    title: 'Give it one',
    text: 'So that rows can be told apart.',
    code: `ALTER TABLE ${name} ADD COLUMN id;`,
    undo: `ALTER TABLE ${name} DROP COLUMN id;`,
    expected: null,
  },
});

const report = (given: Partial<HealthReport>): HealthReport => ({
  schemaVersion: '1.0.0',
  takenAt: '2026-03-04T05:06:07.000Z',
  durationMs: 321,
  database: { label: 'app@db:5432/shop', version: 'PostgreSQL 16.4' },
  findings: [],
  silences: [],
  gaps: [],
  ...given,
});

test('a healthy database is told in one line', () => {
  const text = renderHealth(report({ silences: [{ ruleId: 'database/a', subject: 'the database', reason: 'in order' }] }), stream);
  expect(text).toContain('app@db:5432/shop · PostgreSQL 16.4 · 2026-03-04 05:06 UTC · 321 ms');
  expect(text).toMatch(/\n\nHealthy: 1 check found nothing\.\n$/);
});

test('what could not be seen is never called healthy', () => {
  const text = renderHealth(
    report({
      silences: [{ ruleId: 'database/lock-wait', subject: 'postgres.sessions', reason: 'no data: postgres.sessions: permission denied' }],
      gaps: [
        { capability: 'postgres.sessions', reason: 'permission denied' },
        { capability: 'postgres.table-health', reason: 'not looked at: public.held' },
      ],
    }),
    stream,
  );
  expect(text).toContain('Nothing found: 1 check could not look.');
  expect(text).toContain('Could not look\n  database/lock-wait: postgres.sessions: permission denied');
  expect(text).toContain('Seen in part\n  not looked at: public.held');
});

test('of many findings of one kind the first few are shown, with fix and way back', () => {
  const findings = Array.from({ length: 7 }, (_, at) => nameless(`public.t${at}`));
  const text = renderHealth(report({ findings }), stream);
  expect(text).toContain('7 warnings.\n');
  expect(text.match(/warning: /g)).toHaveLength(5);
  expect(text).toContain('and 2 more findings of this kind (--json lists them)');
  expect(text).toContain('    Evidence: rows 1,200.\n');
  expect(text).toContain('      ALTER TABLE public.t0 ADD COLUMN id;\n    To take it back:\n      ALTER TABLE public.t0 DROP COLUMN id;');
});

test('a name cannot rewrite the terminal', () => {
  const text = renderHealth(report({ findings: [nameless('public."\u001b[2Jgone\u202E"')] }), stream);
  expect(text).not.toContain('\u001b');
  expect(text).not.toContain('\u202E');
});
