import { describe, expect, test } from 'vitest';
import { AnnealError } from '../errors.ts';
import type { MetricId } from '../prediction/prediction.ts';
import { normalQuantile } from '../stats/normal.ts';
import { seededRandom } from '../stats/random.ts';
import { assess, nominalLevelFor, shortLooks, standardLooks, verdictOf, type Question } from './decide.ts';
import type { Equality, Round } from './trial.ts';

type Figures = Readonly<Partial<Record<MetricId, number>>>;

/** Rounds in which the candidate has `factor` times the baseline's figures, with a per cent or two of noise. */
function roundsOf(
  count: number,
  factors: Figures,
  { baseline = {}, noise = 0.02, seed = 1 }: { baseline?: Figures; noise?: number; seed?: number } = {},
) {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, index): Round => {
    const candidate: Partial<Record<MetricId, number>> = {};
    const before: Partial<Record<MetricId, number>> = {};
    for (const [metric, factor] of Object.entries(factors) as [MetricId, number][]) {
      before[metric] = baseline[metric] ?? 100;
      candidate[metric] = before[metric] * factor * Math.exp(noise * normalQuantile(random.next()));
    }
    return {
      index,
      first: 'baseline',
      baseline: { requests: 400, failedRequests: 0, metrics: before },
      candidate: { requests: 400, failedRequests: 0, metrics: candidate },
      dropped: [],
      late: [],
    };
  });
}

const dropped = (round: Round, reason: string): Round => ({ ...round, dropped: [reason] });
const failing = (round: Round, baseline: number, candidate: number): Round => ({
  ...round,
  baseline: { ...round.baseline, failedRequests: baseline },
  candidate: { ...round.candidate, failedRequests: candidate },
});

const nominalLevel = nominalLevelFor(standardLooks);
const ask = (rounds: readonly Round[], changes: Partial<Question> = {}) =>
  assess({ rounds, primary: 'cpu.time', minimumEffect: 0.02, guards: [], looks: standardLooks, nominalLevel, ...changes });
const equal: Equality = { result: 'match', compared: 20, mismatches: [], masks: [], reordered: 0 };

describe('the level of each look', () => {
  test('of the standard design is about 0.0142', () => {
    expect(Math.abs(nominalLevel - 0.0142)).toBeLessThan(0.0007);
  });

  test('is higher where fewer looks share the error', () => {
    expect(nominalLevelFor(shortLooks)).toBeGreaterThan(nominalLevel);
    expect(nominalLevelFor([20])).toBeCloseTo(0.05, 6);
  });

  test('of the short design lets ten guards hold at its first look', () => {
    expect(2 ** -shortLooks[0]!).toBeLessThanOrEqual(nominalLevelFor(shortLooks) / 10);
  });

  test.each([
    [[6, 8, 10, 14, 20], 'after 6 rounds that all agree p is still 0.03125'],
    [[], 'there is no look'],
    [[10, 10], 'each above the one before'],
    [[10.5], 'whole numbers'],
  ])('refuses looks after %j', (looks, problem) => {
    const refusal = captured(() => nominalLevelFor(looks));
    expect(refusal).toBeInstanceOf(AnnealError);
    expect((refusal as AnnealError).message).toContain(problem);
  });
});

describe('a trial', () => {
  test('says nothing before its first look, however clear the figures are', () => {
    const judgement = ask(roundsOf(9, { 'cpu.time': 0.5 }));
    expect(judgement).toMatchObject({ finished: false, reason: '9 of 10 rounds are in', primary: { result: 'inconclusive' } });
  });

  test('improves when the whole interval is beyond the minimum effect', () => {
    const { primary, finished } = ask(roundsOf(10, { 'cpu.time': 0.7 }));
    expect(primary.result).toBe('improved');
    expect(primary.change.upper).toBeLessThan(-0.02);
    expect(primary.change.point).toBeCloseTo(-0.3, 1);
    expect(primary.change.confidenceLevel).toBe(1 - nominalLevel);
    expect(finished).toBe(true);
  });

  test('regresses when it is worse beyond the minimum effect', () => {
    expect(ask(roundsOf(10, { 'cpu.time': 1.2 }))).toMatchObject({ finished: true, primary: { result: 'regressed' } });
  });

  test('ends as no-change when the interval lies inside the minimum effect, which is not the same as inconclusive', () => {
    expect(ask(roundsOf(10, { 'cpu.time': 1 }, { noise: 0.002 }))).toMatchObject({ finished: true, primary: { result: 'no-change' } });
    expect(ask(roundsOf(10, { 'cpu.time': 1 }, { noise: 0.2 }))).toMatchObject({ finished: false, primary: { result: 'inconclusive' } });
  });

  test('is finished after its last look, whatever it found', () => {
    expect(ask(roundsOf(60, { 'cpu.time': 1 }, { noise: 0.2 }))).toMatchObject({
      finished: true,
      primary: { result: 'inconclusive', rounds: 60 },
    });
  });

  test('is decided by the first look that decides: rounds after it change nothing', () => {
    const decided = ask(roundsOf(10, { 'cpu.time': 0.7 }));
    const more = [...roundsOf(10, { 'cpu.time': 0.7 }), ...roundsOf(50, { 'cpu.time': 3 })];
    expect(ask(more)).toEqual(decided);
  });

  test('ignores the rounds between two looks', () => {
    const rounds = roundsOf(14, { 'cpu.time': 0.97 }, { noise: 0.05 });
    expect(ask(rounds).primary).toEqual(ask(rounds.slice(0, 10)).primary);
    expect(ask(rounds).reason).toContain('14 of 15 rounds are in');
  });

  test('mirrors when the arms are swapped', () => {
    const rounds = roundsOf(30, { 'cpu.time': 0.8 }, { noise: 0.1 });
    const swapped = rounds.map((round) => ({ ...round, baseline: round.candidate, candidate: round.baseline }));
    const [straight, mirrored] = [ask(rounds).primary, ask(swapped).primary];
    expect(straight.result).toBe('improved');
    expect(mirrored.result).toBe('regressed');
    expect((1 + straight.change.point) * (1 + mirrored.change.point)).toBeCloseTo(1, 9);
  });

  test('without its metric is inconclusive', () => {
    const judgement = ask(roundsOf(10, { 'latency.p95': 0.5 }));
    expect(judgement.primary).toMatchObject({ result: 'inconclusive', rounds: 0, change: { confidenceLevel: 0 } });
    expect(judgement.finished).toBe(false);
  });
});

describe('dropped rounds', () => {
  const rounds = roundsOf(20, { 'cpu.time': 0.5 });

  test('do not count towards a look', () => {
    const judgement = ask(rounds.slice(0, 13).map((round, index) => (index < 3 ? dropped(round, 'baseline: send lag') : round)));
    expect(judgement.primary).toMatchObject({ result: 'improved', rounds: 10 });
  });

  test('beyond 40 % make the trial inconclusive, as soon as that is certain', () => {
    const spoilt = rounds.slice(0, 7).map((round, index) => dropped(round, index % 2 === 0 ? 'baseline: send lag' : 'candidate: send lag'));
    expect(ask(spoilt.slice(0, 6))).toMatchObject({ finished: false });
    expect(ask(spoilt)).toMatchObject({ finished: true, primary: { result: 'inconclusive' } });
  });

  test('that all fall on the candidate leave only its good moments, so nothing is concluded', () => {
    const oneSided = (arm: string) =>
      roundsOf(20, { 'cpu.time': 0.5 }).map((round, index) => (index < 6 ? dropped(round, `${arm}: send lag`) : round));
    const judgement = ask(oneSided('candidate'), { looks: [14], nominalLevel: 0.05 });
    expect(judgement).toMatchObject({ finished: true, primary: { result: 'inconclusive' } });
    expect(judgement.reason).toContain("the candidate's good moments");
    expect(ask(oneSided('baseline'), { looks: [14], nominalLevel: 0.05 }).primary.result).toBe('improved');
  });
});

describe('guards', () => {
  const guards = [
    { metric: 'latency.p95', margin: 0.05 },
    { metric: 'memory', margin: 0.05 },
    { metric: 'errors', margin: 0.005 },
  ] as const;

  test('hold when the upper end of the interval, at the level Holm gives it, is below the margin', () => {
    const judgement = ask(roundsOf(10, { 'cpu.time': 0.7, 'latency.p95': 0.9, memory: 1.01 }), { guards });
    expect(judgement.guards.map(({ metric, holds }) => [metric, holds])).toEqual([
      ['latency.p95', true],
      ['memory', true],
      ['errors', true],
    ]);
    for (const guard of judgement.guards) expect(guard.change.upper).toBeLessThan(guard.margin);
    expect(judgement.finished).toBe(true);
    expect(verdictOf(judgement.primary, judgement.guards, equal)).toEqual({ decision: 'keep', performance: 'improved', equality: 'match' });
  });

  test('are tested at stricter levels the more of them there are, and shown at the level they were tested at', () => {
    const { guards: results } = ask(roundsOf(10, { 'cpu.time': 0.7, 'latency.p95': 0.9, memory: 1.01 }), { guards });
    const levels = results.map(({ change }) => (1 - change.confidenceLevel) / 2).sort((one, other) => one - other);
    expect(levels[0]).toBeCloseTo(nominalLevel / 3, 12);
    expect(levels[1]).toBeCloseTo(nominalLevel / 2, 12);
    expect(levels[2]).toBeCloseTo(nominalLevel, 12);
  });

  test('that are worse end the trial and name themselves', () => {
    const judgement = ask(roundsOf(10, { 'cpu.time': 0.7, 'latency.p95': 1.4, memory: 1 }), { guards });
    expect(judgement.finished).toBe(true);
    const verdict = verdictOf(judgement.primary, judgement.guards, equal);
    expect(verdict).toMatchObject({ decision: 'rollback', performance: 'regressed' });
    expect(verdict).toHaveProperty('reason', expect.stringContaining('latency.p95 regressed'));
  });

  test('that are too noisy to hold keep the trial open, and in the end roll it back as inconclusive', () => {
    const noisy = (count: number) =>
      roundsOf(count, { 'cpu.time': 0.7 }).map((round, index) => ({
        ...round,
        baseline: { ...round.baseline, metrics: { ...round.baseline.metrics, 'latency.p95': 100 } },
        candidate: { ...round.candidate, metrics: { ...round.candidate.metrics, 'latency.p95': index % 2 === 0 ? 55 : 180 } },
      }));
    expect(ask(noisy(10), { guards })).toMatchObject({ finished: false, primary: { result: 'improved' } });
    const judgement = ask(noisy(60), { guards });
    expect(judgement.finished).toBe(true);
    const verdict = verdictOf(judgement.primary, judgement.guards, equal);
    expect(verdict).toMatchObject({ decision: 'rollback', performance: 'inconclusive', equality: 'match' });
  });

  test('that were never measured do not hold', () => {
    const judgement = ask(roundsOf(60, { 'cpu.time': 0.7 }), { guards: [{ metric: 'wal.bytes', margin: 0.2 }] });
    expect(judgement.guards[0]).toMatchObject({ holds: false, rounds: 0 });
    expect(verdictOf(judgement.primary, judgement.guards, equal)).toHaveProperty(
      'reason',
      expect.stringContaining('wal.bytes was not measured'),
    );
  });

  test('on errors hold at zero errors, and say how many there could have been', () => {
    const guard = ask(roundsOf(10, { 'cpu.time': 0.7 }), { guards: [{ metric: 'errors', margin: 0.005 }] }).guards[0]!;
    expect(guard).toMatchObject({ baseline: 0, candidate: 0, holds: true, change: { point: 0 } });
    // Nothing in 4,000 requests, one-sided at the nominal level: z^2 / (n + z^2).
    const z = normalQuantile(1 - nominalLevel);
    expect(guard.change.upper).toBeCloseTo((z * z) / (4000 + z * z), 9);
  });

  test('on errors see one slice in twenty that fails, which no median would', () => {
    const rounds = roundsOf(20, { 'cpu.time': 0.7 }).map((round, index) => failing(round, 0, index === 4 ? 200 : 0));
    const judgement = ask(rounds, { guards: [{ metric: 'errors', margin: 0.005 }] });
    expect(judgement.guards[0]!.holds).toBe(false);
    expect(judgement.finished).toBe(false);
  });

  test('on errors regress when errors come steadily', () => {
    const rounds = roundsOf(10, { 'cpu.time': 0.7 }).map((round) => failing(round, 2, 40));
    const guard = ask(rounds, { guards: [{ metric: 'errors', margin: 0.005 }] }).guards[0]!;
    expect(guard.result).toBe('regressed');
    expect(guard.change.point).toBeCloseTo(38 / 400, 12);
  });
});

describe('costs near zero', () => {
  test('nothing against nothing is no change', () => {
    const nothing = roundsOf(10, { 'wal.bytes': 1 }, { baseline: { 'wal.bytes': 0 } });
    expect(ask(nothing, { primary: 'wal.bytes' }).primary).toMatchObject({ result: 'no-change', change: { point: 0, lower: 0, upper: 0 } });
  });

  test('a cost that vanishes is an improvement of almost all of it', () => {
    const { primary } = ask(roundsOf(10, { 'database.time:comments': 0 }, { baseline: { 'database.time:comments': 5 } }), {
      primary: 'database.time:comments',
    });
    expect(primary.result).toBe('improved');
    expect(primary.change.point).toBeGreaterThan(-1);
    expect(primary.change.point).toBeLessThan(-0.999);
  });

  test('a cost that appears is a regression with a finite figure', () => {
    const rounds = roundsOf(10, { 'pool.wait': 1 }).map((round) => ({
      ...round,
      baseline: { ...round.baseline, metrics: { 'pool.wait': 0 } },
    }));
    const { primary } = ask(rounds, { primary: 'pool.wait' });
    expect(primary.result).toBe('regressed');
    expect(Number.isFinite(primary.change.upper)).toBe(true);
  });

  test('less than one WAL record a request is not a write volume to guard', () => {
    const rounds = roundsOf(10, { 'wal.bytes': 8 }, { baseline: { 'wal.bytes': 2 } });
    expect(ask(rounds, { primary: 'wal.bytes' }).primary.result).toBe('no-change');
  });

  test('what rare statements log is compared in full, however little it is per request of the whole', () => {
    const rounds = roundsOf(10, { 'wal.bytes:without an index': 0.85 }, { baseline: { 'wal.bytes:without an index': 20 } });
    expect(ask(rounds, { primary: 'wal.bytes:without an index' }).primary.change.point).toBeCloseTo(-0.15, 2);
  });
});

describe('a verdict', () => {
  const improved = ask(roundsOf(10, { 'cpu.time': 0.7 })).primary;
  const unchanged = ask(roundsOf(10, { 'cpu.time': 1 }, { noise: 0.002 })).primary;

  test('keeps only what improved and answers the same', () => {
    expect(verdictOf(improved, [], equal).decision).toBe('keep');
    expect(verdictOf(unchanged, [], equal)).toMatchObject({ decision: 'rollback', performance: 'no-change', equality: 'match' });
  });

  test('rolls back what answers otherwise, and shows where', () => {
    const mismatch: Equality = {
      ...equal,
      result: 'mismatch',
      mismatches: [{ request: 'GET /invoices', where: '$.total', difference: '5 → 6' }],
    };
    expect(verdictOf(improved, [], mismatch)).toEqual({
      decision: 'rollback',
      performance: 'improved',
      equality: 'mismatch',
      reason: 'answers differ: GET /invoices at $.total: 5 → 6',
    });
  });

  test('rolls back what could not be compared', () => {
    const unknown: Equality = { ...equal, result: 'unknown', unknown: [{ request: 'GET /page', reason: 'text differs' }] };
    expect(verdictOf(improved, [], unknown)).toMatchObject({
      decision: 'rollback',
      equality: 'unknown',
      reason: 'answers could not be compared: GET /page: text differs',
    });
  });

  test('of an inconclusive trial gives the reason it ended for', () => {
    const inconclusive = { ...improved, result: 'inconclusive' } as const;
    expect(verdictOf(inconclusive, [], equal, '9 of 15 rounds had to be dropped')).toMatchObject({
      reason: '9 of 15 rounds had to be dropped',
    });
  });
});

function captured(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
