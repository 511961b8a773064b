import type { Assessment } from '../assessment.ts';
import { bytes, change, counted, metricName, moment, share } from '../format.ts';
import { markup, type Markup } from '../markup.ts';
import { silencesByRule } from '../story.ts';
import { bullets, code, fold, section, table } from './elements.ts';
import { reservationList } from './summary.ts';
import { maskTable } from './trials.ts';

export function limits(assessment: Assessment): Markup {
  const { noiseFloor, domains } = assessment;
  const silences = silencesByRule(assessment);
  return section(
    'limits',
    'What was not looked at, or not decided',
    reservationList(assessment),
    noiseFloor === null
      ? ''
      : markup`<h3>Noise floor</h3><p>Two arms without any change were compared for ${counted(noiseFloor.rounds.length, 'round')} before the first trial. What lies below the smallest provable change cannot be told from chance here.</p>${table(
          'Noise floor',
          [
            'Metric',
            { figures: 'Noise of a pair of slices' },
            { figures: 'Shift between equal arms' },
            { figures: 'Smallest provable change' },
          ],
          noiseFloor.metrics.map(({ metric, noise, bias, smallestProvable }) => [
            metricName(metric),
            `±${share(noise)}`,
            change(bias),
            change(-smallestProvable),
          ]),
        )}${maskTable(noiseFloor.masks)}`,
    silences.length === 0
      ? ''
      : markup`<h3>Rules that looked and said nothing</h3>${silences.map(({ ruleId, silences }) =>
          fold(
            { title: code(ruleId), end: markup`<span class="known">${counted(silences.length, 'reason')}</span>` },
            bullets(silences.map(({ subject, reason }) => markup`${code(subject)}: ${reason}`)),
          ),
        )}`,
    markup`<h3>Coverage</h3>`,
    table(
      'Coverage',
      ['Domain', { figures: 'Rules' }, { figures: 'Remedies' }],
      domains.map(({ title, rules, remedies }) => [title, rules, remedies]),
    ),
  );
}

export function reproduction({ run, target, workload }: Assessment): Markup {
  const rows: readonly (readonly [string, string | Markup])[] = [
    ['Run', markup`${code(`anneal ${run.command}`)}, ${run.id}, ${moment(run.startedAt)}, Anneal ${run.annealVersion}`],
    ['Target', markup`${target.name}, started with ${code(target.startCommand)}`],
    [
      'Machine',
      `${target.cpus} CPUs, ${bytes(target.memoryBytes)} of memory, Node ${target.nodeVersion ?? 'unknown'}, ${target.databaseVersion ?? 'no database'}`,
    ],
    ['Schema', target.schemaHash === null ? 'none' : code(target.schemaHash.slice(0, 16))],
    ['Workload', markup`${workload.name}: ${workload.executor}; hash ${code(workload.hash.slice(0, 16))}`],
    ['Scenarios', workload.scenarios.map(({ name, weightShare }) => `${name} ${share(weightShare)}`).join(', ')],
    ['Seed', String(run.seed)],
  ];
  return section('reproduce', 'How to get the same again', table('How to get the same again', ['What', 'Which'], rows));
}
