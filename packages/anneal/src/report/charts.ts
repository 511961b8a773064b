import type { CalibrationEntry } from '../prediction/prediction.ts';
import type { Estimate } from '../stats/estimate.ts';
import { quantileUs, shareBelow, type HistogramData } from '../stats/histogram.ts';
import type { Distribution, Round } from '../trial/trial.ts';
import type { MetricId } from '../prediction/prediction.ts';
import { change, duration, interval, level, metricValue, share } from './format.ts';
import { markup, type Insertable, type Markup } from './markup.ts';
import type { Tone } from './story.ts';

/**
 * Charts as SVG in text, drawn at the width they will be shown at so that their letters keep their size. Colours
 * are classes of the page's style; shape tells the arms apart too (hollow before, filled after). The tables beside
 * them say the same in numbers.
 */

/** What a page shows on a narrow screen; below it a label needs a line of its own. */
const narrow = 480;

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

type Scale = (value: number) => number;

/**
 * Share of requests answered within a time, both arms over each other. Time is logarithmic; the share is spread
 * so that each nine takes as much room as the one before (50, 90, 99, 99.9 %), because the tail is what users feel.
 */
export function latencyChart({ subject, baseline, candidate }: Distribution, width: number): Markup {
  const frame: Frame = { width, height: width < narrow ? 250 : 320, left: 58, right: 24, top: 20, bottom: 34 };
  const top = Math.min(baseline.count, candidate.count) >= 1000 ? 0.999 : 0.99;
  const lowest = Math.max(Math.min(quantileUs(baseline, 0.001), quantileUs(candidate, 0.001)), 1);
  const highest = Math.max(quantileUs(baseline, top), quantileUs(candidate, top), lowest * 2);
  const x = logarithmic([lowest / 1.15, highest * 1.3], frame);
  const nines = (part: number) => -Math.log10(1 - Math.min(part, top));
  const y = linear([0, nines(top)], [frame.height - frame.bottom, frame.top]);
  const marks = [0, 0.5, 0.9, 0.95, 0.99, 0.999].filter((part) => part <= top);
  const curve = (histogram: HistogramData) => {
    const steps = 140;
    const points = Array.from({ length: steps + 1 }, (_, step) => {
      const time = lowest * (highest / lowest) ** (step / steps);
      return [x(time), y(nines(shareBelow(histogram, time)))] as const;
    });
    const end = points.findIndex(([, height]) => height <= y(nines(top)));
    return path(end < 0 ? points : points.slice(0, end + 1));
  };
  const quantiles = [0.5, 0.95, 0.99];
  const label =
    `Response times of ${subject}: ` +
    quantiles.map((q) => `p${q * 100} ${time(baseline, q)} before, ${time(candidate, q)} after`).join('; ');
  return svg(frame, label, [
    timeTicks([lowest / 1.15, highest * 1.3], width < narrow).map((us) => [
      line('grid', x(us), frame.top, x(us), frame.height - frame.bottom),
      text('tick middle', x(us), frame.height - frame.bottom + 16, duration(us / 1000)),
    ]),
    marks.map((part) => [
      line('grid', frame.left, y(nines(part)), width - frame.right, y(nines(part))),
      text('tick end', frame.left - 8, y(nines(part)) + 4, share(part)),
    ]),
    text('tick end', width - frame.right, frame.height - 4, 'response time from the due moment (logarithmic)'),
    markup`<path class="before line" d="${curve(baseline)}"/><path class="after line" d="${curve(candidate)}"/>`,
    quantiles.map((q) => {
      const [before, after] = [quantileUs(baseline, q), quantileUs(candidate, q)];
      const height = y(nines(q));
      const isFaster = after <= before;
      const word = (us: number, isLeft: boolean, arm: string) =>
        width < narrow
          ? ''
          : text(`mark ${arm} ${isLeft ? 'end' : ''}`, x(us) + (isLeft ? -9 : 9), height + (isLeft ? -6 : 16), duration(us / 1000));
      return [
        line('span', x(before), height, x(after), height),
        markup`<circle class="before dot" cx="${pixel(x(before))}" cy="${pixel(height)}" r="4.5"><title>before: p${q * 100} ${duration(before / 1000)}</title></circle>`,
        markup`<circle class="after dot" cx="${pixel(x(after))}" cy="${pixel(height)}" r="4.5"><title>after: p${q * 100} ${duration(after / 1000)}</title></circle>`,
        word(before, !isFaster, 'before'),
        word(after, isFaster, 'after'),
      ];
    }),
  ]);
}

export interface Effect {
  readonly title: string;
  readonly metric: string;
  readonly predicted: Estimate | null;
  readonly measured: Estimate;
  readonly tone: Tone;
  /** The share below which a change counts as none. */
  readonly minimumEffect: number;
  /** The smallest change this machine could prove, as a positive share; null where it was not measured. */
  readonly smallestProvable: number | null;
}

/** What each change was worth: measured interval over predicted interval, on one axis from -100 % to +50 %. */
export function effectChart(effects: readonly Effect[], width: number): Markup {
  const isNarrow = width < narrow;
  const rowHeight = isNarrow ? 58 : 46;
  const frame: Frame = { width, height: effects.length * rowHeight + 42, left: isNarrow ? 10 : 330, right: 18, top: 8, bottom: 34 };
  const x = linear([-1, 0.5], [frame.left, width - frame.right]);
  const clip: Scale = (value) => x(Math.min(Math.max(value, -1), 0.5));
  const base = frame.height - frame.bottom;
  const label = `What each change was worth: ${effects.map(({ title, metric, measured }) => `${title} ${interval(measured, metric)}`).join('; ')}`;
  return svg(frame, label, [
    [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5].map((at, index) => [
      line(at === 0 ? 'zero' : 'grid', x(at), frame.top, x(at), base),
      isNarrow && index % 2 === 1 ? '' : text(`tick ${at === -1 ? '' : at === 0.5 ? 'end' : 'middle'}`, x(at), base + 16, change(at)),
    ]),
    effects.map(({ title, metric, predicted, measured, tone, minimumEffect, smallestProvable }, row) => {
      const top = frame.top + row * rowHeight;
      const y = top + rowHeight / 2 + (isNarrow ? 12 : 0);
      const reach = measured.upper > 0.5 ? markup`<path class="${tone} arrow" d="M${x(0.5) - 6},${y - 5}l7,5l-7,5z"/>` : '';
      return [
        isNarrow
          ? text('name', frame.left, top + 16, cut(title, 40))
          : [text('name end', frame.left - 16, y - 1, cut(title, 38)), text('tick end', frame.left - 16, y + 14, cut(metric, 44))],
        markup`<rect class="delta" x="${pixel(x(-minimumEffect))}" y="${y - 13}" width="${pixel(x(minimumEffect) - x(-minimumEffect))}" height="26"><title>below ${share(minimumEffect)} a change counts as none</title></rect>`,
        smallestProvable === null
          ? ''
          : markup`<path class="floor" d="M${pixel(clip(-smallestProvable))},${y - 13}v26M${pixel(clip(smallestProvable))},${y - 13}v26"><title>smallest provable change: ${share(smallestProvable)}</title></path>`,
        predicted === null
          ? ''
          : [
              line('predicted', clip(predicted.lower), y - 7, clip(predicted.upper), y - 7),
              markup`<path class="predicted diamond" d="M${pixel(clip(predicted.point))},${y - 11}l4,4l-4,4l-4,-4z"><title>predicted ${interval(predicted)}</title></path>`,
            ],
        line(`${tone} measured`, clip(measured.lower), y + 5, clip(measured.upper), y + 5),
        markup`<circle class="${tone} point" cx="${pixel(clip(measured.point))}" cy="${y + 5}" r="5"><title>measured ${interval(measured)}</title></circle>`,
        reach,
      ];
    }),
  ]);
}

/** Predicted across, measured up: on the diagonal a prediction came true. Numbers are those of the table. */
export function calibrationChart(entries: readonly CalibrationEntry[], width: number): Markup {
  const frame: Frame = { width, height: Math.min(width, 400), left: 60, right: 26, top: 12, bottom: 40 };
  const reach = Math.max(0.1, ...entries.flatMap(({ predicted, measured }) => [predicted.upper, measured.upper]));
  const upper = Math.min(Math.ceil(reach * 4) / 4, 0.5);
  const x = linear([-1, upper], [frame.left, width - frame.right]);
  const y = linear([-1, upper], [frame.height - frame.bottom, frame.top]);
  const within = (value: number) => Math.min(Math.max(value, -1), upper);
  const ticks = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5].filter((at) => at <= upper);
  const label = `Predicted against measured: ${entries.filter((entry) => entry.inside).length} of ${entries.length} inside the predicted interval`;
  return svg(frame, label, [
    ticks.map((at) => [
      line(at === 0 ? 'zero' : 'grid', x(at), frame.top, x(at), frame.height - frame.bottom),
      line(at === 0 ? 'zero' : 'grid', frame.left, y(at), width - frame.right, y(at)),
      text('tick middle', x(at), frame.height - frame.bottom + 16, change(at)),
      text('tick end', frame.left - 8, y(at) + 4, change(at)),
    ]),
    text('tick end', width - frame.right, frame.height - 6, 'predicted'),
    text('tick', frame.left + 6, frame.top + 10, 'measured'),
    line('diagonal', x(-1), y(-1), x(upper), y(upper)),
    entries.map(({ predicted, measured, inside }, index) => {
      const [cx, cy] = [x(within(predicted.point)), y(within(measured.point))];
      const tone = inside ? 'good' : 'bad';
      return [
        line(`${tone} whisker`, x(within(predicted.lower)), cy, x(within(predicted.upper)), cy),
        line(`${tone} whisker`, cx, y(within(measured.lower)), cx, y(within(measured.upper))),
        markup`<circle class="${tone} ${inside ? 'point' : 'ring'}" cx="${pixel(cx)}" cy="${pixel(cy)}" r="5"><title>${index + 1}: predicted ${interval(predicted)}, measured ${interval(measured)}</title></circle>`,
        text('name', cx + 9, cy - 7, String(index + 1)),
      ];
    }),
  ]);
}

/** Every round of a trial: both arms' value of one metric, joined. Dropped rounds are grey and crossed. */
export function roundsChart(rounds: readonly Round[], metric: MetricId, width: number): Markup {
  const frame: Frame = { width, height: 220, left: 64, right: 14, top: 12, bottom: 34 };
  const valueOf = (round: Round, arm: 'baseline' | 'candidate') => round[arm].metrics[metric] ?? null;
  const values = rounds.flatMap((round) => [valueOf(round, 'baseline'), valueOf(round, 'candidate')]).filter((value) => value !== null);
  const highest = Math.max(...values, Number.MIN_VALUE);
  const x = linear([-0.5, rounds.length - 0.5], [frame.left, width - frame.right]);
  const y = linear([0, highest * 1.06], [frame.height - frame.bottom, frame.top]);
  const step = Math.max(1, Math.ceil(rounds.length / (width < narrow ? 8 : 20)));
  const kept = rounds.filter((round) => round.dropped.length === 0).length;
  return svg(frame, `${kept} rounds kept and ${rounds.length - kept} dropped, ${metric} of both arms in each`, [
    [0, 0.25, 0.5, 0.75, 1].map((part) => [
      line(part === 0 ? 'zero' : 'grid', frame.left, y(highest * part), width - frame.right, y(highest * part)),
      text('tick end', frame.left - 8, y(highest * part) + 4, metricValue(metric, highest * part)),
    ]),
    rounds.map((round, index) => {
      const [before, after] = [valueOf(round, 'baseline'), valueOf(round, 'candidate')];
      const isDropped = round.dropped.length > 0;
      const at = pixel(x(index));
      const title =
        `round ${index + 1}: before ${before === null ? 'not measured' : metricValue(metric, before)}, ` +
        `after ${after === null ? 'not measured' : metricValue(metric, after)}${isDropped ? `; dropped: ${round.dropped.join('; ')}` : ''}`;
      return markup`<g class="${isDropped ? 'dropped' : 'kept'}"><title>${title}</title>${[
        before === null || after === null ? '' : line('span', at, y(before), at, y(after)),
        before === null ? '' : markup`<circle class="before dot" cx="${at}" cy="${pixel(y(before))}" r="4"/>`,
        after === null ? '' : markup`<circle class="after dot" cx="${at}" cy="${pixel(y(after))}" r="4"/>`,
        isDropped ? markup`<path class="cross" d="M${at - 4},${frame.top + 2}l8,8m0,-8l-8,8"/>` : '',
      ]}</g>`;
    }),
    rounds.map((_, index) =>
      index % step === 0 ? text('tick middle', x(index), frame.height - frame.bottom + 16, String(index + 1)) : '',
    ),
    text('tick end', width - frame.right, frame.height - 4, 'round'),
  ]);
}

/** A share as a bar, for the column of a table. */
export function shareBar(part: number): Markup {
  const width = 96;
  return markup`<svg class="bar" viewBox="0 0 ${width} 10" width="${width}" height="10" aria-hidden="true"><rect class="track" width="${width}" height="10" rx="2"/><rect class="fill" width="${pixel(Math.min(Math.max(part, 0), 1) * width)}" height="10" rx="2"/></svg>`;
}

/** The line under a chart of intervals that says how sure they are. */
export function levels(estimates: readonly Estimate[]): string {
  const distinct = [...new Set(estimates.map(({ confidenceLevel }) => confidenceLevel))].filter((sure) => sure > 0);
  return distinct.length === 0
    ? 'no intervals'
    : `${distinct
        .toSorted((one, other) => one - other)
        .map(level)
        .join(', ')} intervals`;
}

function time(histogram: HistogramData, q: number): string {
  return duration(quantileUs(histogram, q) / 1000);
}

function svg({ width, height }: Frame, label: string, content: Insertable): Markup {
  return markup`<svg class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">${content}</svg>`;
}

function line(name: string, x1: number, y1: number, x2: number, y2: number): Markup {
  return markup`<line class="${name}" x1="${pixel(x1)}" y1="${pixel(y1)}" x2="${pixel(x2)}" y2="${pixel(y2)}"/>`;
}

function text(name: string, x: number, y: number, content: string): Markup {
  return markup`<text class="${name}" x="${pixel(x)}" y="${pixel(y)}">${content}</text>`;
}

function path(points: readonly (readonly [x: number, y: number])[]): string {
  return points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${pixel(x)},${pixel(y)}`).join('');
}

function linear([from, to]: readonly [number, number], [start, end]: readonly [number, number]): Scale {
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}

function logarithmic([from, to]: readonly [number, number], { left, right, width }: Frame): Scale {
  const position = linear([Math.log(from), Math.log(to)], [left, width - right]);
  return (value) => position(Math.log(value));
}

/** 1, 2 and 5 of each power of ten where there is room, else the powers alone. */
function timeTicks([from, to]: readonly [number, number], isNarrow: boolean): readonly number[] {
  const decades = Math.log10(to / from);
  const steps = decades > (isNarrow ? 1.3 : 3.5) ? [1] : isNarrow ? [1, 3] : [1, 2, 5];
  const powers = Array.from({ length: 12 }, (_, power) => 10 ** power);
  const ticks = powers.flatMap((power) => steps.map((step) => step * power)).filter((tick) => tick >= from && tick <= to);
  return ticks.length > 1 ? ticks : [from, to].map((end) => Number(end.toPrecision(1))).filter((tick) => tick >= from && tick <= to);
}

function cut(title: string, longest: number): string {
  return title.length <= longest ? title : `${title.slice(0, longest - 1)}…`;
}

/** A tenth of a pixel is finer than any screen, and keeps the file small. */
function pixel(value: number): number {
  return Math.round(value * 10) / 10;
}
