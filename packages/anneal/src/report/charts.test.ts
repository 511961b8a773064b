import { describe, expect, test } from 'vitest';
import { histogramOf } from '../finding/fixtures/observations.ts';
import { calibrationChart, effectChart, latencyChart, roundsChart, shareBar, type Effect } from './charts.ts';
import { aRichAssessment } from './fixtures/assessment.ts';

const assessment = aRichAssessment();

/** Every number of an attribute, e.g. all `cx`. */
const numbers = (svg: string, attribute: string) =>
  [...svg.matchAll(new RegExp(`\\s${attribute}="(-?[\\d.]+)"`, 'g'))].map(([, value]) => Number(value));

const certain = (point: number) => ({ point, lower: point - 0.05, upper: point + 0.05, confidenceLevel: 0.95 });

const anEffect = (given: Partial<Effect>): Effect => ({
  title: 'Index a (b)',
  metric: 'database time',
  predicted: certain(-0.5),
  measured: certain(-0.5),
  tone: 'good',
  minimumEffect: 0.03,
  smallestProvable: null,
  ...given,
});

describe('latencies', () => {
  test('the slower arm lies right of the faster one at every marked quantile', () => {
    const [whole] = assessment.overall!.distributions;
    const svg = latencyChart(whole!, 900).markup;
    const at = (arm: string) => [...svg.matchAll(new RegExp(`<circle class="${arm} dot" cx="([\\d.]+)"`, 'g'))].map(([, x]) => Number(x));
    expect(at('before')).toHaveLength(3);
    at('before').forEach((x, index) => expect(x).toBeGreaterThan(at('after')[index]!));
  });

  test('its name says the figures, for those who cannot see it', () => {
    const distribution = { subject: 'GET /a', baseline: histogramOf([20, 100]), candidate: histogramOf([10, 100]) };
    expect(latencyChart(distribution, 900).markup).toMatch(/aria-label="Response times of GET \/a: p50 20 ms before, 10 ms after; p95 /);
  });

  test('constant and equal latencies are drawn too', () => {
    const same = histogramOf([5, 10]);
    expect(latencyChart({ subject: 'GET /a', baseline: same, candidate: same }, 352).markup).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe('effects', () => {
  test('a larger gain lies further left', () => {
    const svg = effectChart([anEffect({ measured: certain(-0.8) }), anEffect({ measured: certain(-0.1) })], 900).markup;
    const [large, small] = numbers(svg, 'cx');
    expect(large).toBeLessThan(small!);
  });

  test('an effect beyond the axis stays on it and is marked with an arrow', () => {
    const svg = effectChart([anEffect({ measured: certain(3), tone: 'bad' })], 900).markup;
    expect(Math.max(...numbers(svg, 'cx'), ...numbers(svg, 'x2'))).toBeLessThanOrEqual(900);
    expect(svg).toContain('class="bad arrow"');
  });

  test('the noise floor is drawn only where it was measured', () => {
    expect(effectChart([anEffect({})], 900).markup).not.toContain('class="floor"');
    expect(effectChart([anEffect({ smallestProvable: 0.1 })], 900).markup).toContain('smallest provable change: 10 %');
  });
});

test('a prediction that came true lies on the diagonal', () => {
  const entry = {
    remedy: 'a/b',
    subject: 'c',
    metric: 'cpu.time',
    predicted: certain(-0.4),
    measured: certain(-0.4),
    inside: true,
  } as const;
  const svg = calibrationChart([entry], 400).markup;
  const [cx] = numbers(svg, 'cx');
  const [cy] = numbers(svg, 'cy');
  const [, x1, y1, x2, y2] = /class="diagonal" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"/.exec(svg)!.map(Number);
  expect((cy! - y1!) / (y2! - y1!)).toBeCloseTo((cx! - x1!) / (x2! - x1!), 2);
});

test('every round is drawn, and a dropped one is crossed with its reason', () => {
  const [trial] = assessment.trials;
  const svg = roundsChart(trial!.rounds, trial!.primary.metric, 900).markup;
  expect(svg.match(/<g class="kept">/g)).toHaveLength(10);
  expect(svg).toMatch(/<g class="dropped"><title>round 4: [^<]*dropped: baseline: send lag p99 31 ms exceeds 5 ms/);
});

test('a round without the metric is drawn without inventing a value', () => {
  const [round] = assessment.trials[0]!.rounds;
  const svg = roundsChart([{ ...round!, candidate: { ...round!.candidate, metrics: {} } }], 'cpu.time', 352).markup;
  expect(svg).toContain('after not measured');
  expect(svg).not.toMatch(/NaN|Infinity|class="after dot"/);
});

test('a bar never leaves its track', () => {
  expect(numbers(shareBar(1.7).markup, 'width')).toEqual([96, 96, 96]);
  expect(numbers(shareBar(0.25).markup, 'width').at(-1)).toBe(24);
});
