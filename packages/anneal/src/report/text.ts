import { styleText } from 'node:util';
import { leaningInWords } from '../trial/lean-traffic.ts';
import type { Trial } from '../trial/trial.ts';
import type { AssessedFinding, Assessment } from './assessment.ts';
import { counted, duration, interval, metricName, moment, plain, quantity, share } from './format.ts';
import { withoutCredentials } from './redaction.ts';
import {
  calibrationWords,
  capital,
  costWords,
  distrust,
  equalityWords,
  findingsByStanding,
  headline,
  impactWords,
  lineOf,
  patchesWords,
  predictedWords,
  refusedWords,
  reservations,
  toneOf,
  triedWords,
  verdictReason,
  verdictWord,
  windowWords,
} from './story.ts';

type Style = Parameters<typeof styleText>[0];

/** Wider is hard to read and wraps in the panes people keep terminals in. */
const widest = 100;

/**
 * The assessment for a terminal, the most important first. `stream` is where it will be written: colours appear
 * only where it is a terminal that has them and NO_COLOR is not set. Ends with a newline; no line is longer than
 * 100 columns unless a single word is.
 */
export function renderText(given: Assessment, stream: NodeJS.WriteStream): string {
  const assessment = withoutCredentials(given);
  const paint = (style: Style, text: string) => styleText(style, text, { stream });
  const { run, target } = assessment;
  const sections = [
    [
      paint(
        'dim',
        plain(`anneal ${run.command} · ${target.name} · run ${run.id} · ${moment(run.startedAt)} · ${duration(run.durationMs)}`),
      ),
    ],
    summary(assessment, paint),
    findings(assessment, paint),
    trials(assessment, paint),
    predictions(assessment, paint),
    thresholds(assessment, paint),
    reservationLines(assessment, paint),
    nextActions(assessment, paint),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

type Paint = (style: Style, text: string) => string;

function summary(assessment: Assessment, paint: Paint): readonly string[] {
  const { summary, windows, findings, costs } = assessment;
  const { kept } = summary.trials;
  const tried = triedWords(assessment);
  const patches = patchesWords(assessment);
  const cost = costWords(costs);
  const before = windowWords(windows[0]);
  return [
    ...wrap(headline(assessment), 0).map((line) => paint('bold', line)),
    ...(headline(assessment) === before ? [] : wrap(`Before: ${before}`, 2)),
    ...distrust(assessment).flatMap((line) => wrap(line, 2).map((part) => paint('yellow', part))),
    ...(findings.length === 0 ? [] : wrap(`${counted(findings.length, 'finding')}: ${findingsByStanding(findings).join(', ')}.`, 2)),
    ...(tried === null ? [] : wrap(tried, 2)),
    ...(patches === null ? [] : wrap(patches, 2)),
    ...(kept === 0 || cost.length === 0 ? [] : wrap(`What was kept costs ${cost.join(', ')} (measured).`, 2)),
    ...labelled(summary.defects),
  ];
}

function labelled(defects: Assessment['summary']['defects']): readonly string[] {
  if (defects === null) return [];
  const { expected, found, missed, invented } = defects;
  return [
    ...wrap(
      `Of ${counted(expected, 'labelled weakness', 'labelled weaknesses')} ${found} found, ${missed.length} missed, ${invented.length} invented.`,
      2,
    ),
    ...(missed.length === 0 ? [] : wrap(`Missed: ${missed.join(', ')}.`, 4)),
    ...(invented.length === 0 ? [] : wrap(`Invented: ${invented.map(plain).join(', ')}.`, 4)),
  ];
}

function findings({ findings }: Assessment, paint: Paint): readonly string[] {
  if (findings.length === 0) return [];
  const header = ['LEVEL', 'SHARE', 'RULE', 'STANDING', 'WHERE'];
  const rows = findings.map((finding) => [
    finding.level,
    share(finding.requestTimeShare),
    finding.ruleId,
    finding.standing,
    lineOf(finding),
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  widths[4] = widest - 2 - widths.slice(0, 4).reduce((sum, width) => sum + width + 2, 0);
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, column) => (column === 1 ? cell.padStart(widths[column]!) : shortened(cell, widths[column]!).padEnd(widths[column]!))).join('  ')}`.trimEnd();
  return [
    title('Findings', paint),
    ...wrap('By the share of request time that each certainly accounts for; causes and the waits they make overlap.', 2),
    paint('dim', line(header)),
    ...findings.flatMap((finding, index) => [
      paint(levelStyles[finding.level], line(rows[index]!)),
      ...wrap(`${finding.message.replace(/\.$/u, '')}. ${capital(impactWords(finding.impact))}.`, 4),
      ...(finding.standing === 'suppressed' ? wrap(`suppressed: ${finding.standingReason}`, 4) : []),
    ]),
  ];
}

const levelStyles: Readonly<Record<AssessedFinding['level'], Style>> = { error: 'red', warning: 'yellow', note: 'dim' };

function trials({ trials }: Assessment, paint: Paint): readonly string[] {
  if (trials.length === 0) return [];
  return [title('Trials', paint), ...trials.flatMap((trial) => trialLines(trial, paint))];
}

const toneStyles = { good: 'green', bad: 'red', open: 'yellow' } as const;

function trialLines(trial: Trial, paint: Paint): readonly string[] {
  const { prediction, primary, verdict, description, design } = trial;
  const predicted = prediction === null ? '' : `predicted ${predictedWords(trial)}, `;
  const mark = verdict.decision === 'keep' ? '+' : '-';
  const refused = refusedWords(trial);
  return [
    ...wrap(`${mark} ${description.title}: ${verdictWord(trial)}`, 2).map((line) => paint(toneStyles[toneOf(verdict)], line)),
    ...wrap(
      `${metricName(primary.metric)}: ${predicted}` +
        `measured ${interval(primary.change, primary.metric)} in ${counted(primary.rounds, 'round')}`,
      4,
    ),
    ...wrap(verdictReason(trial), 4),
    ...(design.leaning === undefined ? [] : wrap(`${capital(leaningInWords(design.leaning))}.`, 4)),
    ...(verdict.decision === 'keep' ? [] : wrap(equalityWords(trial.equality), 4)),
    ...(refused === null ? [] : wrap(refused, 4)),
  ];
}

function predictions(assessment: Assessment, paint: Paint): readonly string[] {
  const words = calibrationWords(assessment);
  return words === null ? [] : [title('Predictions', paint), ...wrap(words, 2)];
}

function thresholds({ thresholds }: Assessment, paint: Paint): readonly string[] {
  if (thresholds.length === 0) return [];
  return [
    title('Thresholds', paint),
    ...thresholds.flatMap(({ metric, expression, value, holds }) => {
      const measured = value === null ? 'not measured' : `measured ${quantity(value)}`;
      return wrap(`${holds ? 'holds' : 'FAILS'} ${metric} ${expression} (${measured})`, 2).map((line) =>
        paint(holds ? 'green' : 'red', line),
      );
    }),
  ];
}

function reservationLines(assessment: Assessment, paint: Paint): readonly string[] {
  const said = distrust(assessment);
  const sentences = reservations(assessment).filter((reservation) => !said.includes(reservation));
  return sentences.length === 0
    ? []
    : [title('To keep in mind', paint), ...sentences.flatMap((reservation) => wrap(`- ${reservation}`, 2))];
}

function nextActions({ nextActions }: Assessment, paint: Paint): readonly string[] {
  if (nextActions.length === 0) return [];
  return [title('Next', paint), ...nextActions.flatMap((action, index) => wrap(`${index + 1}. ${action}`, 2))];
}

function title(text: string, paint: Paint): string {
  return paint('bold', text);
}

function shortened(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}

/** A number keeps its unit beside it. */
const breakable = / (?!%|(?:ms|µs|s|min|h|B|kB|MB|GB|TB|points)(?!\w))/u;

/** Lines of at most 100 columns, indented; a word that is longer stays whole so that it can be copied. */
export function wrap(words: string, indent: number): readonly string[] {
  const lines: string[] = [];
  for (const word of plain(words).split(breakable)) {
    const last = lines.at(-1);
    if (last !== undefined && indent + last.length + 1 + word.length <= widest) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(lines.length === 0 ? word : `  ${word}`);
  }
  return lines.map((line) => ' '.repeat(indent) + line);
}
