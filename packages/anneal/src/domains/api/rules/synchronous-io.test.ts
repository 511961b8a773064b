import { describe, expect, test } from 'vitest';
import { diagnose as diagnoseAll } from '../../../finding/diagnose.ts';
import { aFunction, aMeasurement, aProfile, aRoute, aRuntime, at } from '../../../finding/fixtures/observations.ts';
import { evidenceOf, outcomesOf, usualSettings } from '../../../finding/fixtures/outcomes.ts';
import type { SynchronousCallObservation } from '../../../measurement/observations.ts';
import { blockingCall } from './blocking-call.ts';
import { synchronousIo } from './synchronous-io.ts';

const template: SynchronousCallObservation = {
  name: 'fs.readFileSync',
  location: at('src/invoices/layout.ts', 31, 'loadLayout'),
  calls: 400,
  requests: 400,
  totalMs: 600,
  longestMs: 9,
};
const observations = (...calls: readonly Partial<SynchronousCallObservation>[]) => ({
  'agent.routes': [aRoute({ route: '/invoices/:id', requests: 400, synchronousCalls: calls.map((call) => ({ ...template, ...call })) })],
  'agent.runtime': aRuntime({ windowMs: 30_000, cpuMs: 10_000 }),
});

describe('a layout that is read from disk for every invoice', () => {
  const [finding] = outcomesOf(synchronousIo, observations({})).findings;

  test('is found at its line with its share of CPU and what the others wait', () => {
    expect(finding).toMatchObject({ level: 'warning', locations: [{ line: 31 }], impact: { resource: 'cpu-time', share: 0.06 } });
    // 13.3 calls a second of 1.5 ms: r·d²/2.
    expect(evidenceOf(finding, 'added wait of every other request')).toBeCloseTo(0.015);
    expect(finding!.message).toContain('GET /invoices/:id');
  });

  test('is answered with the promise of the same name', () => {
    expect(finding!.proposal.title).toBe('Await fs.promises.readFile in place of readFileSync');
  });
});

test('one place that two routes come by is one finding', () => {
  const routes = ['/invoices/:id', '/receipts/:id'].map((route) => aRoute({ route, synchronousCalls: [template] }));
  const { findings } = outcomesOf(synchronousIo, { 'agent.routes': routes, 'agent.runtime': aRuntime({ cpuMs: 10_000 }) });
  expect(findings).toHaveLength(1);
  expect(evidenceOf(findings[0], 'calls')).toBe(800);
});

test('compressing and running programs are answered with their own counterparts', () => {
  const titles = ['zlib.gzipSync', 'child_process.execFileSync', 'fs.existsSync'].map(
    (name) => outcomesOf(synchronousIo, observations({ name })).findings[0]!.proposal.title,
  );
  expect(titles).toEqual([
    'Await gzip in place of gzipSync',
    'Await execFile in place of execFileSync',
    'Await fs.promises.access in place of existsSync',
  ]);
});

test('what blocks for long at a time is said once, by api/blocking-call', () => {
  const { findings, silences } = diagnoseAll(
    [blockingCall, synchronousIo],
    aMeasurement({
      ...observations({ name: 'crypto.pbkdf2Sync', totalMs: 4_000, calls: 100 }),
      'agent.profile': aProfile({
        functions: [
          aFunction({ location: at('src/invoices/layout.ts', 25, 'loadLayout'), selfMs: 4_000, blockingStretches: 100, blockingMs: 4_000 }),
        ],
      }),
    }),
    usualSettings,
  );
  expect(findings.map(({ ruleId }) => ruleId)).toEqual(['api/blocking-call']);
  expect(silences.map(({ reason }) => reason)).toEqual([expect.stringMatching(/^explained by api\/blocking-call/)]);
});

test.each<[string, Partial<SynchronousCallObservation>, RegExp]>([
  ['calls that are cheaper than handing them over', { name: 'fs.existsSync', calls: 9_000, totalMs: 180 }, /a call takes 20 µs/],
  ['what was read once or twice', { calls: 2, totalMs: 120 }, /below 1 %/],
])('silent about %s, with the reason', (_name, given, reason) => {
  const { findings, reasons } = outcomesOf(synchronousIo, observations(given));
  expect(findings).toEqual([]);
  expect(reasons).toEqual([expect.stringMatching(reason)]);
});

test('without a word where nothing synchronous is called, or hardly', () => {
  expect(outcomesOf(synchronousIo, observations())).toEqual({ findings: [], reasons: [] });
  expect(outcomesOf(synchronousIo, observations({ calls: 10, totalMs: 0.2 }))).toEqual({ findings: [], reasons: [] });
});
