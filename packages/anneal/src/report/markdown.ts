import type { Trial } from '../trial/trial.ts';
import type { AssessedFinding, Assessment, Window } from './assessment.ts';
import {
  bytes,
  change,
  counted,
  duration,
  evidenceValue,
  interval,
  metricName,
  metricValue,
  moment,
  plain,
  quantity,
  share,
} from './format.ts';
import { patchWords } from './patches.ts';
import { withoutCredentials } from './redaction.ts';
import { quantileUs } from '../stats/histogram.ts';
import {
  calibrationWords,
  costWords,
  designWords,
  distrust,
  answersWords,
  findingsByStanding,
  headline,
  impactWords,
  isBrought,
  isKept,
  lastingWords,
  overallWords,
  patchesWords,
  placeOf,
  predictedWords,
  predictionWords,
  reservations,
  resultWord,
  silencesByRule,
  standingWords,
  triedWords,
  verdictReason,
  verdictWord,
  windowWords,
  withMinus,
} from './story.ts';
import { waitCells, waitExplanation, waitHeadings } from './waits.ts';

/** `optimization-report.md`: everything a reviewer needs to agree or disagree, in GitHub's Markdown. */
export function renderMarkdown(given: Assessment): string {
  const assessment = withoutCredentials(given);
  const { run, target } = assessment;
  const sections = [
    `# Optimization report: ${inline(target.name)}`,
    `\`anneal ${run.command}\`, run ${code(run.id)}, ${moment(run.startedAt)}, ${duration(run.durationMs)}`,
    summary(assessment),
    findings(assessment),
    trials(assessment),
    overall(assessment),
    predictions(assessment),
    costs(assessment),
    undo(assessment),
    ...assessment.windows.map(traffic),
    limits(assessment),
    reproduction(assessment),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function summary(assessment: Assessment): string {
  const { summary, windows, findings, thresholds, nextActions } = assessment;
  const facts = [
    `Before: ${windowWords(windows[0])}`,
    ...(assessment.trials.some(isBrought)
      ? []
      : [
          findings.length === 0 ? 'No findings.' : `${counted(findings.length, 'finding')}: ${findingsByStanding(findings).join(', ')}.`,
          triedWords(assessment) ?? (assessment.trials.length === 0 ? 'Nothing was tried.' : 'No remedy was tried.'),
          ...[patchesWords(assessment)].filter((words) => words !== null),
        ]),
    ...(summary.defects === null
      ? []
      : [
          `Labelled weaknesses: ${summary.defects.found} of ${summary.defects.expected} found; ` +
            `missed: ${summary.defects.missed.join(', ') || 'none'}; invented: ${summary.defects.invented.join(', ') || 'none'}.`,
        ]),
  ];
  return [
    '## Summary',
    `**${inline(headline(assessment))}**`,
    bullets([...facts, ...distrust(assessment)]),
    thresholds.length === 0
      ? ''
      : table(
          ['Threshold', 'Measured', 'Holds'],
          thresholds.map(({ metric, expression, value, holds }) => [
            code(`${metric} ${expression}`),
            value === null ? 'not measured' : quantity(value),
            holds ? 'yes' : '**no**',
          ]),
        ),
    nextActions.length === 0
      ? ''
      : `### What to do next\n\n${nextActions.map((action, index) => `${index + 1}. ${inline(action)}`).join('\n')}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function findings(assessment: Assessment): string {
  const { findings } = assessment;
  if (findings.length === 0) return '';
  const rows = findings.map((finding, index) => [
    String(index + 1),
    finding.level,
    inline(impactWords(finding.impact)),
    code(finding.ruleId),
    code(placeOf(finding)),
    finding.standing,
  ]);
  return [
    '## Findings',
    table(['#', 'Level', 'Costs', 'Rule', 'Where', 'Standing'], rows),
    ...findings.map((finding, index) => findingSection(finding, index + 1, assessment)),
  ].join('\n\n');
}

function findingSection(finding: AssessedFinding, number: number, assessment: Assessment): string {
  const { proposal, locations, subject, patch } = finding;
  return [
    `### ${number}. ${inline(finding.message)}`,
    `${code(finding.ruleId)}, ${finding.level}, ${finding.standing}. ${inline(standingWords(finding, assessment))}`,
    subject.kind === 'statement' ? fence(subject.text, 'sql') : '',
    locations.length > 1 ? bullets(locations.map((location) => placeOf({ locations: [location], subject }))) : '',
    table(
      ['Evidence', 'Value', 'How known', 'Source'],
      finding.evidence.map(({ label, value, unit, provenance, source }) => [
        inline(label),
        inline(evidenceValue(value, unit)),
        provenance,
        inline(source),
      ]),
    ),
    `If nothing is done: ${inline(finding.costIfIgnored)}`,
    `Proposal: **${inline(proposal.title)}.** ${inline(proposal.text)}${proposal.expected === null ? '' : ` Predicted: ${interval(proposal.expected)}.`}`,
    proposal.code === null
      ? ''
      : fence(
          proposal.code,
          /^(?:\s*--.*\n)*\s*\(?(?:select|with|insert|update|delete|create|where|and|order)\b/iu.test(proposal.code) ? 'sql' : 'js',
        ),
    proposal.patch === undefined
      ? ''
      : `As a patch: ${inline(proposal.patch.title)}. ${patch === undefined ? '' : `${inline(patchWords(patch, assessment))} ${code(patch.file)}`}\n\n${fence(proposal.patch.diff, 'diff')}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function trials({ trials, noiseFloor }: Assessment): string {
  if (trials.length === 0) return '## Trials\n\nNothing was tried in this run.';
  return [
    '## Trials',
    table(
      ['Change', 'Metric', 'Predicted', 'Measured', 'Verdict'],
      trials.map((trial) => [
        inline(trial.description.title),
        inline(metricName(trial.primary.metric)),
        predictedWords(trial),
        interval(trial.primary.change, trial.primary.metric),
        verdictWord(trial),
      ]),
    ),
    noiseFloor === null
      ? ''
      : `Two arms without any change were compared first (${counted(noiseFloor.rounds.length, 'round')}). What this machine could prove:\n\n${table(
          ['Metric', 'Noise of a pair of slices', 'Shift between equal arms', 'Smallest provable change'],
          noiseFloor.metrics.map(({ metric, noise, bias, smallestProvable }) => [
            inline(metricName(metric)),
            `±${share(noise)}`,
            change(bias),
            change(-smallestProvable),
          ]),
        )}`,
    ...trials.map(trialSection),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function trialSection(trial: Trial): string {
  const { description, primary, guards, equality, cost, placebo } = trial;
  const lasting = lastingWords(trial);
  return [
    `### ${inline(description.title)}: ${verdictWord(trial)}`,
    inline(verdictReason(trial)),
    `Trial ${code(trial.id)}, remedy ${code(trial.remedyId)}. ${inline(designWords(trial))}`,
    inline(predictionWords(trial)),
    table(
      ['Metric', 'Baseline', 'Candidate', 'Change (measured)', 'Result'],
      [
        [
          `**${inline(metricName(primary.metric))}** (primary)`,
          metricValue(primary.metric, primary.baseline),
          metricValue(primary.metric, primary.candidate),
          interval(primary.change, primary.metric),
          resultWord(primary.result),
        ],
        ...guards.map((guard) => [
          `${inline(metricName(guard.metric))} (guard, margin ${change(guard.margin)})`,
          metricValue(guard.metric, guard.baseline),
          metricValue(guard.metric, guard.candidate),
          interval(guard.change, guard.metric),
          guard.holds ? 'holds' : `does not hold (${resultWord(guard.result)})`,
        ]),
      ],
    ),
    placebo === null ? '' : `Control: ${inline(withMinus(placebo.sentence))} (${resultWord(placebo.result)}).`,
    `Answers: ${answersWords(trial)}`,
    equality.mismatches.length === 0
      ? ''
      : table(
          ['Request', 'Where', 'Difference'],
          equality.mismatches.map(({ request, where, difference }) => [code(request), code(where), inline(difference)]),
        ),
    (equality.unknown ?? []).length === 0 ? '' : bullets((equality.unknown ?? []).map(({ request, reason }) => `${request}: ${reason}`)),
    equality.masks.length === 0 ? '' : maskTable(equality.masks),
    `Cost (measured): ${costWords({ ...cost, writeVolumeChange: null }).join(', ') || 'nothing'}.`,
    description.sql === null ? '' : `Do:\n\n${fence(description.sql.up, 'sql')}\n\nUndo:\n\n${fence(description.sql.down, 'sql')}`,
    lasting === null ? '' : `To keep it for good: ${inline(lasting)}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function maskTable(masks: Trial['equality']['masks']): string {
  return `Masked, because it differs between two runs of the baseline itself:\n\n${table(
    ['Request', 'Field', 'Reason'],
    masks.map(({ request, path, reason }) => [code(request), code(path), inline(reason)]),
  )}`;
}

function overall(assessment: Assessment): string {
  const { overall } = assessment;
  if (overall === null) return '';
  return [
    `## ${overallWords(assessment)}`,
    `Measured in fresh processes, ${counted(overall.rounds.length, 'round')}.`,
    table(
      ['Metric', 'Before', 'After', 'Change', 'Result'],
      overall.comparisons.map(({ metric, baseline, candidate, change, result }) => [
        inline(metricName(metric)),
        metricValue(metric, baseline),
        metricValue(metric, candidate),
        interval(change, metric),
        resultWord(result),
      ]),
    ),
  ].join('\n\n');
}

function predictions(assessment: Assessment): string {
  const words = calibrationWords(assessment);
  if (words === null) return '';
  return [
    '## Predictions held against what happened',
    words,
    table(
      ['Remedy', 'Subject', 'Metric', 'Predicted', 'Measured', 'Inside'],
      assessment.calibration.map(({ remedy, subject, metric, predicted, measured, inside }) => [
        code(remedy),
        code(subject),
        inline(metricName(metric)),
        interval(predicted, metric),
        interval(measured, metric),
        inside ? 'yes' : 'no',
      ]),
    ),
  ].join('\n\n');
}

function costs({ costs, summary, trials }: Assessment): string {
  if (summary.trials.kept === 0 || trials.some(isBrought)) return '';
  return `## What was kept costs\n\n${costWords(costs).join(', ') || 'Nothing that could be measured'} (measured).`;
}

function undo({ trials }: Assessment): string {
  const kept = trials.filter((trial) => isKept(trial) && !isBrought(trial));
  if (kept.length === 0) return '';
  return `## How to undo\n\n${bullets(
    ['`anneal rollback --all`, or one at a time:', ...kept.map((trial) => `\`anneal rollback ${trial.id}\`: ${trial.description.title}`)],
    (line) => line,
  )}`;
}

function traffic(window: Window): string {
  const { load, routes, statements } = window;
  return [
    `## Traffic: ${inline(window.title)}`,
    inline(windowWords(window)),
    load === null || load.validity.valid ? '' : bullets(load.validity.problems),
    routes.length === 0
      ? ''
      : table(
          ['Route', 'Share of time', 'Requests', 'p50', 'p95', 'Errors', 'In queries'],
          routes.map((route) => [
            code(route.route),
            share(route.timeShare),
            quantity(route.requests),
            duration(quantileUs(route.durationUs, 0.5) / 1000),
            duration(quantileUs(route.durationUs, 0.95) / 1000),
            quantity(route.errors),
            route.totalMs === 0 ? '' : share(route.queryMs / route.totalMs),
          ]),
        ),
    routes.length === 0
      ? ''
      : table(
          ['What the time of a request goes on', ...waitHeadings],
          routes.map((route) => [code(route.route), ...waitCells(route, share)]),
        ),
    routes.length === 0 ? '' : waitExplanation,
    statements.length === 0
      ? ''
      : table(
          ['Statement', 'Share of database time', 'Calls', 'Per call', 'Rows per call', 'Sent from'],
          statements
            .slice(0, mostStatements)
            .map((statement) => [
              code(statement.text),
              share(statement.timeShare),
              quantity(statement.calls),
              duration(statement.calls === 0 ? 0 : statement.totalMs / statement.calls),
              quantity(statement.calls === 0 ? 0 : statement.rows / statement.calls),
              code(statement.locations.join(' ')),
            ]),
        ),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** A page of them; report.json has the rest. */
const mostStatements = 20;

function limits(assessment: Assessment): string {
  const silences = silencesByRule(assessment);
  return [
    '## What was not looked at, or not decided',
    bullets(reservations(assessment)) || 'Nothing is known to be missing.',
    silences.length === 0
      ? ''
      : table(
          ['Rule', 'Looked at', 'Said nothing because'],
          silences.flatMap(({ ruleId, silences }) => silences.map(({ subject, reason }) => [code(ruleId), code(subject), inline(reason)])),
        ),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function reproduction({ run, target, workload }: Assessment): string {
  return [
    '## How to get the same again',
    bullets([
      `Target: ${target.name}, started with ${target.startCommand}, ${target.cpus} CPUs, ${bytes(target.memoryBytes)} of memory`,
      `Node ${target.nodeVersion ?? 'unknown'}, ${target.databaseVersion ?? 'no database'}, schema ${target.schemaHash?.slice(0, 12) ?? 'none'}`,
      `Workload: ${workload.name}, ${workload.executor}, hash ${workload.hash.slice(0, 12)}`,
      `Scenarios: ${workload.scenarios.map(({ name, weightShare }) => `${name} ${share(weightShare)}`).join(', ')}`,
      `Seed ${run.seed}, Anneal ${run.annealVersion}`,
    ]),
  ].join('\n\n');
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function bullets(lines: readonly string[], write: (line: string) => string = inline): string {
  return lines.map((line) => `- ${write(line)}`).join('\n');
}

/** Text on one line with nothing in it that Markdown or HTML would act on; what stands between backticks is code. */
function inline(text: string): string {
  return plain(text)
    .split(/(`[^`]+`)/u)
    .map((part) => (/^`[^`]+`$/u.test(part) ? code(part.slice(1, -1)) : escaped(part)))
    .join('');
}

function escaped(text: string): string {
  return (
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll(/[\\`*_[\]|~#>]/gu, String.raw`\$&`)
      // GitHub turns these into links and mentions, which would tell others about the report.
      .replaceAll('://', ':&#8203;//')
      .replaceAll('@', '&#64;')
  );
}

/** A code span whose fence is longer than any run of backticks in it; a bar would end a table's cell even here. */
function code(text: string): string {
  const content = plain(text).replaceAll('|', String.raw`\|`);
  if (content === '') return '';
  const ticks = '`'.repeat(longestRun(content) + 1);
  const room = content.startsWith('`') || content.endsWith('`') ? ' ' : '';
  return `${ticks}${room}${content}${room}${ticks}`;
}

function fence(text: string, language: string): string {
  const ticks = '`'.repeat(Math.max(longestRun(text) + 1, 3));
  return `${ticks}${language}\n${text.trimEnd()}\n${ticks}`;
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/gu)].map(([run]) => run.length));
}
