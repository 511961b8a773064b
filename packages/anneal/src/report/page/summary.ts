import { effectChart, latencyChart, levels } from '../charts.ts';
import type { Assessment } from '../assessment.ts';
import { change, counted, duration, interval, metricName, metricValue, quantity } from '../format.ts';
import { markup, nothing, prose, type Insertable, type Markup } from '../markup.ts';
import { quantileUs } from '../../stats/histogram.ts';
import {
  costWords,
  distrust,
  findingsByStanding,
  headline,
  isBrought,
  isPatch,
  overallWords,
  patchesWords,
  predictedWords,
  reservations,
  resultWord,
  toneOf,
  verdictWord,
  windowWords,
} from '../story.ts';
import { figure, figures, key, known, section, table, tag } from './elements.ts';

export function summary(assessment: Assessment): Markup {
  const { summary, windows, nextActions, thresholds } = assessment;
  const before = windowWords(windows[0]);
  const untrusted = distrust(assessment);
  return section(
    'summary',
    'Summary',
    summary.overall === null || assessment.trials.some(isBrought)
      ? markup`<p class="lead"><b>${headline(assessment)}</b></p>`
      : hero(summary.overall, assessment),
    headline(assessment) === before ? '' : markup`<p class="quiet">Before: ${before}</p>`,
    untrusted.length === 0 ? '' : untrusted.map((warning) => markup`<div class="alert">${warning}</div>`),
    tiles(assessment),
    labelled(assessment),
    thresholds.length === 0
      ? ''
      : markup`<h3>Thresholds</h3>${table(
          'Thresholds',
          ['Metric', 'Threshold', { figures: 'Measured' }, 'Holds'],
          thresholds.map(({ metric, expression, value, holds }) => [
            metric,
            markup`<code>${expression}</code>`,
            value === null ? 'not measured' : quantity(value),
            holds ? tag('holds', 'good') : tag('fails', 'bad'),
          ]),
        )}`,
    nextActions.length === 0
      ? ''
      : markup`<h3>What to do next</h3><ol class="next">${nextActions.map((action) => markup`<li>${prose(action)}</li>`)}</ol>`,
  );
}

function hero({ metric, change: by }: NonNullable<Assessment['summary']['overall']>, { overall }: Assessment): Markup {
  const compared = overall?.comparisons.find((comparison) => comparison.metric === metric);
  const values =
    compared === undefined ? '' : `, ${metricValue(metric, compared.baseline)} before and ${metricValue(metric, compared.candidate)} after`;
  return markup`<div class="hero"><strong class="${toneOfChange(by)}">${change(by.point)}</strong><span>${metricName(metric)}${values}</span></div>
<p class="lead">With everything that was kept, together, against the original: ${figures(interval(by, metric))}, measured on two arms in fresh processes.</p>`;
}

function toneOfChange({ lower, upper }: { readonly lower: number; readonly upper: number }): string {
  return upper < 0 ? 'good' : lower > 0 ? 'bad' : 'plain';
}

function tiles(assessment: Assessment): Markup {
  const { run, summary, overall, windows, findings, trials, costs } = assessment;
  const { kept, rolledBack, inconclusive } = summary.trials;
  const load = windows[0]?.load ?? null;
  const latencies: readonly (readonly [string, Insertable, string])[] =
    overall === null
      ? load === null
        ? []
        : [0.5, 0.95, 0.99].map((q) => [`p${q * 100} latency`, duration(quantileUs(load.responseTimeUs, q) / 1000), 'measured'] as const)
      : overall.comparisons
          .filter(({ metric }) => metric === 'latency.p95' || metric === 'cpu.time')
          .map(({ metric, baseline, candidate, change: by, result }) => [
            metric === 'cpu.time' ? 'CPU time per request' : metricName(metric),
            markup`<s>${metricValue(metric, baseline)}</s> → ${metricValue(metric, candidate)}`,
            result === 'inconclusive' ? `${change(by.lower)} to ${change(by.upper)}: not decided` : `${change(by.point)}, measured`,
          ]);
  const cost = costWords(costs);
  const brought = trials.some(isBrought);
  const isSilent = findings.length === 0 && (brought || run.command === 'measure' || run.command === 'load');
  const compared = trials.reduce((total, { equality }) => total + equality.compared, 0);
  const different = trials.reduce((total, { equality }) => total + equality.mismatches.length, 0);
  const patches = patchesWords(assessment);
  const proven = trials.filter((trial) => isPatch(trial) && trial.verdict.decision === 'keep').length;
  const all: readonly (readonly [string, Insertable, Insertable])[] = [
    ...latencies,
    ...(isSilent ? [] : [['Findings', quantity(findings.length), findingsByStanding(findings).join(', ')] as const]),
    ...(kept + rolledBack === 0 || brought
      ? []
      : [['Changes kept', `${kept} of ${kept + rolledBack}`, `${rolledBack} rolled back, ${inconclusive} of them inconclusive`] as const]),
    ...(patches === null ? [] : [['Patches of the source proven', quantity(proven), patches] as const]),
    ...(trials.length === 0
      ? []
      : [
          [
            'Answers compared',
            quantity(compared),
            different === 0 ? 'no difference' : `${counted(different, 'difference')}${brought ? '' : '; those changes were not kept'}`,
          ] as const,
        ]),
    ...(kept === 0 || cost.length === 0 ? [] : [['Cost of what was kept', cost[0]!, `${cost.slice(1).join(', ')} (measured)`] as const]),
  ];
  return markup`<dl class="tiles">${all.map(([name, value, detail]) => markup`<div class="tile"><dt>${name}</dt><dd>${value}<small>${detail}</small></dd></div>`)}</dl>`;
}

function labelled({ summary: { defects } }: Assessment): Markup {
  if (defects === null) return nothing;
  const { expected, found, missed, invented } = defects;
  return markup`<p>Of ${counted(expected, 'labelled weakness', 'labelled weaknesses')} ${found} found; missed: ${missed.join(', ') || 'none'}; invented: ${invented.join(', ') || 'none'}.</p>`;
}

export function beforeAndAfter(assessment: Assessment): Markup {
  const { overall, trials } = assessment;
  if (overall === null) {
    const why = trials.some(isBrought) ? 'There was no second comparison in fresh processes.' : 'Nothing was kept, so there is no after.';
    return section('before-after', 'Before and after', markup`<p>${why}</p>`);
  }
  const [whole, ...routes] = overall.distributions;
  return section(
    'before-after',
    'Before and after',
    markup`<p>${overallWords(assessment)}: ${counted(overall.rounds.length, 'round')} in fresh processes; the table holds medians over rounds. ${known('measured')}</p>`,
    whole === undefined ? '' : distribution(whole),
    table(
      'Before and after',
      ['Metric', { figures: 'Before' }, { figures: 'After' }, { figures: 'Change' }, 'Result'],
      overall.comparisons.map(({ metric, baseline, candidate, change, result }) => [
        metricName(metric),
        metricValue(metric, baseline),
        metricValue(metric, candidate),
        interval(change, metric),
        tag(resultWord(result), result === 'improved' ? 'good' : result === 'regressed' ? 'bad' : result === 'inconclusive' ? 'open' : ''),
      ]),
    ),
    table(
      'Response times of each route',
      ['Route', ...[0.5, 0.95, 0.99].flatMap((q) => [{ figures: `p${q * 100} before` }, { figures: 'after' }])],
      routes.map(({ subject, baseline, candidate }) => [
        markup`<code>${subject}</code>`,
        ...[0.5, 0.95, 0.99].flatMap((q) => [duration(quantileUs(baseline, q) / 1000), duration(quantileUs(candidate, q) / 1000)]),
      ]),
    ),
  );
}

function distribution(whole: NonNullable<Assessment['overall']>['distributions'][number]): Markup {
  return figure(
    markup`${key('before', 'before')}${key('after', 'after')} Share of requests answered within a time, of ${whole.subject}; points at p50, p95 and p99.`,
    (width) => latencyChart(whole, width),
  );
}

export function worth({ trials, noiseFloor }: Assessment): Markup {
  const effects = trials.map((trial) => ({
    title: trial.description.title,
    metric: metricName(trial.primary.metric),
    predicted: trial.prediction?.change ?? null,
    measured: trial.primary.change,
    tone: toneOf(trial.verdict),
    minimumEffect: trial.design.minimumEffect,
    smallestProvable: noiseFloor?.metrics.find(({ metric }) => metric === trial.primary.metric)?.smallestProvable ?? null,
  }));
  return section(
    'worth',
    'What each change was worth',
    figure(
      markup`${key('measured', `measured, ${levels(trials.map(({ primary }) => primary.change))}`)}${key('predicted', 'predicted before the trial')}${key('delta', 'counts as no change')}${key('floor', 'smallest provable here')}`,
      (width) => effectChart(effects, width),
    ),
    table(
      'What each change was worth',
      [{ sentences: 'Change' }, { figures: 'Predicted' }, { figures: 'Measured' }, 'Verdict'],
      trials.map((trial) => [
        markup`<a href="#trial-${trial.id}">${trial.description.title}</a><br><span class="known">${metricName(trial.primary.metric)}</span>`,
        predictedWords(trial),
        interval(trial.primary.change, trial.primary.metric),
        tag(verdictWord(trial), toneOf(trial.verdict)),
      ]),
    ),
  );
}

/** What a reader should hold against the figures. */
export function reservationList(assessment: Assessment): Markup {
  const sentences = [...reservations(assessment)];
  return sentences.length === 0
    ? markup`<p>Nothing is known to be missing.</p>`
    : markup`<ul>${sentences.map((sentence) => markup`<li>${sentence}</li>`)}</ul>`;
}
