import type { Mask, Trial } from '../../trial/trial.ts';
import type { Assessment } from '../assessment.ts';
import { calibrationChart, latencyChart, roundsChart } from '../charts.ts';
import { change, counted, interval, metricName, metricValue } from '../format.ts';
import { markup, nothing, prose, type Markup } from '../markup.ts';
import {
  calibrationWords,
  costWords,
  designWords,
  answersWords,
  isKept,
  lastingWords,
  resultWord,
  toneOf,
  verdictReason,
  verdictWord,
  withMinus,
} from '../story.ts';
import { block, bullets, code, figure, figures, fold, key, known, section, table, tag } from './elements.ts';

export function trials({ trials }: Assessment): Markup {
  return section(
    'trials',
    'Trials',
    trials.map((trial) => trialFold(trial)),
  );
}

/** The room inside a fold of a page of 1040 pixels. */
const insideFold = 956;

function trialFold(trial: Trial): Markup {
  const { id, description, primary, equality, cost, placebo, verdict, distributions, rounds } = trial;
  const [whole] = distributions;
  const lasting = lastingWords(trial);
  return fold(
    {
      id: `trial-${id}`,
      title: description.title,
      end: tag(verdictWord(trial), toneOf(verdict)),
      where: `${metricName(primary.metric)} ${interval(primary.change, primary.metric)} measured in ${counted(primary.rounds, 'round')}`,
    },
    markup`<p class="lead">${verdictReason(trial)}</p>`,
    prediction(trial),
    markup`<p class="quiet small">Trial ${code(id)}, remedy ${code(trial.remedyId)}. ${designWords(trial)}</p>`,
    rounds.length === 0
      ? ''
      : figure(
          markup`${key('before', 'baseline')}${key('after', 'candidate')} ${metricName(primary.metric)} per request, each round; crossed rounds were dropped.`,
          (width) => roundsChart(rounds, primary.metric, width),
          insideFold,
        ),
    comparisons(trial),
    placebo === null
      ? ''
      : markup`<p>Control: ${withMinus(placebo.sentence)}. ${tag(resultWord(placebo.result), placebo.result === 'no-change' ? '' : 'open')}</p>`,
    whole === undefined || whole.baseline.count === 0 || whole.candidate.count === 0
      ? ''
      : figure(
          markup`${key('before', 'baseline')}${key('after', 'candidate')} Share of requests answered within a time, of ${whole.subject}.`,
          (width) => latencyChart(whole, width),
          insideFold,
        ),
    markup`<h3>Answers</h3><p>${answersWords(trial)}</p>`,
    table(
      'Differences',
      ['Request', 'Where', 'Difference'],
      equality.mismatches.map(({ request, where, difference }) => [code(request), code(where), difference]),
    ),
    bullets((equality.unknown ?? []).map(({ request, reason }) => markup`${code(request)}: ${reason}`)),
    maskTable(equality.masks),
    markup`<h3>Cost and undo</h3><p>${costWords({ ...cost, writeVolumeChange: null }).join(', ') || 'Nothing'} ${known('measured')}</p>`,
    description.sql === null ? '' : markup`<p>Do</p>${block(description.sql.up)}<p>Undo</p>${block(description.sql.down)}`,
    lasting === null ? '' : markup`<p>To keep it for good: ${prose(lasting)}</p>`,
  );
}

function prediction({ prediction }: Trial): Markup {
  if (prediction === null) return markup`<p>Nobody predicted what it is worth.</p>`;
  const { metric, change, model, assumptions } = prediction;
  return markup`<p>Predicted before the trial: ${metricName(metric)} ${figures(interval(change, metric))} ${known('predicted')}, from a model of ${model.replace('-', ' ')}. Assumed: ${assumptions.join('; ') || 'nothing'}.</p>`;
}

function comparisons({ primary, guards }: Trial): Markup {
  return table(
    'Metrics of the trial',
    ['Metric', { figures: 'Baseline' }, { figures: 'Candidate' }, { figures: 'Change' }, { figures: 'May be at most' }, 'Result'],
    [
      [
        markup`<b>${metricName(primary.metric)}</b>`,
        metricValue(primary.metric, primary.baseline),
        metricValue(primary.metric, primary.candidate),
        interval(primary.change, primary.metric),
        '',
        tag(resultWord(primary.result), primary.result === 'improved' ? 'good' : primary.result === 'regressed' ? 'bad' : 'open'),
      ],
      ...guards.map((guard) => [
        metricName(guard.metric),
        metricValue(guard.metric, guard.baseline),
        metricValue(guard.metric, guard.candidate),
        interval(guard.change, guard.metric),
        change(guard.margin),
        guard.holds
          ? tag('guard holds', 'good')
          : tag(`guard does not hold: ${resultWord(guard.result)}`, guard.result === 'regressed' ? 'bad' : 'open'),
      ]),
    ],
  );
}

export function maskTable(masks: readonly Mask[]): Markup {
  if (masks.length === 0) return nothing;
  return markup`<p>Masked, because it differs between two runs of the baseline itself:</p>${table(
    'Masks',
    ['Request', 'Field', 'Reason'],
    masks.map(({ request, path, reason }) => [code(request), code(path), reason]),
  )}`;
}

export function rolledBack({ trials }: Assessment): Markup {
  const undone = trials.filter((trial) => trial.verdict.decision === 'rollback');
  return section(
    'rolled-back',
    'Not kept, and why',
    undone.length === 0
      ? markup`<p>Nothing: every change that was tried was kept or proven.</p>`
      : table(
          'Not kept',
          ['Change', 'Verdict', { sentences: 'Reason' }],
          undone.map((trial) => [
            markup`<a href="#trial-${trial.id}">${trial.description.title}</a>`,
            tag(verdictWord(trial), toneOf(trial.verdict)),
            verdictReason(trial),
          ]),
        ),
  );
}

export function predictions(assessment: Assessment): Markup {
  const words = calibrationWords(assessment);
  const { calibration } = assessment;
  if (words === null)
    return section('predictions', 'Predictions against measurements', markup`<p>Nothing was predicted and measured in this run.</p>`);
  return section(
    'predictions',
    'Predictions against measurements',
    markup`<p>${words}</p>`,
    figure(
      'On the diagonal a prediction came true. Bars are the intervals; filled points lie inside the predicted one, rings outside. Numbers are those of the table.',
      (width) => calibrationChart(calibration, width),
      620,
    ),
    table(
      'Predictions',
      [{ figures: '#' }, { sentences: 'Prediction' }, { figures: 'Predicted' }, { figures: 'Measured' }, 'Inside'],
      calibration.map(({ remedy, subject, metric, predicted, measured, inside }, index) => [
        index + 1,
        markup`${code(remedy)}: ${metricName(metric)}<br><span class="known">${subject}</span>`,
        interval(predicted, metric),
        interval(measured, metric),
        inside ? tag('inside', 'good') : tag('outside', 'bad'),
      ]),
    ),
  );
}

export function costAndUndo({ trials, costs }: Assessment): Markup {
  const kept = trials.filter(isKept);
  if (kept.length === 0)
    return section('cost', 'Cost and undo', markup`<p>Nothing was kept, so nothing costs and nothing is left to undo.</p>`);
  return section(
    'cost',
    'Cost and undo',
    markup`<p>${costWords(costs).join(', ') || 'Nothing that could be measured'} ${known('measured')}</p>`,
    table(
      'Cost of each kept change',
      ['Change', 'Cost', 'Undo'],
      kept.map(({ id, description, cost }) => [
        description.title,
        costWords({ ...cost, writeVolumeChange: null }).join(', ') || 'nothing',
        code(`anneal rollback ${id}`),
      ]),
    ),
    markup`<p>${code('anneal rollback --all')} undoes them together.</p>`,
  );
}
