import { styleText } from 'node:util';
import type { Finding, Level, RuleId } from '../finding/finding.ts';
import { counted, duration, evidenceValue, moment, plain } from './format.ts';
import type { HealthReport } from './health-report.ts';
import { withoutCredentials } from './redaction.ts';
import { wrap } from './text.ts';

type Style = Parameters<typeof styleText>[0];
type Paint = (style: Style, text: string) => string;

const levelStyles: Readonly<Record<Level, Style>> = { error: 'red', warning: 'yellow', note: 'dim' };

/** One rule can find a thing in every table of a schema: a person reads the first few, `--json` holds them all. */
const mostOfOneRule = 5;

/** The health report for a terminal: findings with evidence and fix, then what could not be judged. Ends with a newline. */
export function renderHealth(given: HealthReport, stream: NodeJS.WriteStream): string {
  const report = withoutCredentials(given);
  const paint: Paint = (style, text) => styleText(style, text, { stream });
  const { database, findings, silences } = report;
  const unjudged = silences.filter(({ reason }) => reason.startsWith('no data: '));
  const sections = [
    [
      paint(
        'dim',
        plain(`anneal check · ${database.label} · ${database.version} · ${moment(report.takenAt)} · ${duration(report.durationMs)}`),
      ),
    ],
    [paint('bold', headline(report, new Set(unjudged.map(({ ruleId }) => ruleId)).size))],
    ...[...Map.groupBy(findings, ({ ruleId }) => ruleId)].map(([ruleId, found]) => ruleLines(ruleId, found, paint)),
    unjudgedLines(unjudged, paint),
    partLines(report, unjudged, paint),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function headline({ findings, silences }: HealthReport, unjudged: number): string {
  const inOrder = new Set(silences.filter(({ reason }) => !reason.startsWith('no data: ')).map(({ ruleId }) => ruleId)).size;
  const levels = (['error', 'warning', 'note'] as const)
    .map((level) => [level, findings.filter((finding) => finding.level === level).length] as const)
    .filter(([, count]) => count > 0)
    .map(([level, count]) => counted(count, level));
  const rest = [
    ...(inOrder > 0 ? [`${counted(inOrder, 'check')} found nothing`] : []),
    ...(unjudged > 0 ? [`${counted(unjudged, 'check')} could not look`] : []),
  ];
  if (levels.length > 0) return `${[levels.join(', '), ...rest].join('; ')}.`;
  return `${unjudged > 0 ? 'Nothing found' : 'Healthy'}: ${rest.join(', ')}.`;
}

function ruleLines(ruleId: RuleId, findings: readonly Finding[], paint: Paint): readonly string[] {
  const left = findings.length - mostOfOneRule;
  return [
    paint('bold', ruleId),
    ...findings.slice(0, mostOfOneRule).flatMap((finding) => findingLines(finding, paint)),
    ...(left > 0 ? [`  and ${counted(left, 'more finding')} of this kind (--json lists them)`] : []),
  ];
}

function findingLines({ level, message, evidence, costIfIgnored, proposal }: Finding, paint: Paint): readonly string[] {
  const facts = evidence.map(
    ({ label, value, unit, provenance }) => `${label} ${evidenceValue(value, unit)}${provenance === 'measured' ? '' : ` (${provenance})`}`,
  );
  return [
    ...wrap(`${level}: ${message}.`, 2).map((line) => paint(levelStyles[level], line)),
    ...wrap(`Evidence: ${facts.join('; ')}.`, 4),
    ...wrap(`If ignored: ${costIfIgnored}`, 4),
    ...wrap(`Fix: ${proposal.title}. ${proposal.text}`, 4),
    ...sqlLines(proposal.code),
    ...(proposal.undo === undefined ? [] : [...wrap('To take it back:', 4), ...sqlLines(proposal.undo)]),
  ];
}

/** As it is, so that it can be copied; only what rewrites a terminal is left out. */
function sqlLines(code: string | null): readonly string[] {
  return (code ?? '').split('\n').flatMap((line) => (line === '' ? [] : [`      ${line.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, '')}`]));
}

function unjudgedLines(silences: HealthReport['silences'], paint: Paint): readonly string[] {
  const byReason = Map.groupBy(silences, ({ reason }) => reason.replace('no data: ', ''));
  return silences.length === 0
    ? []
    : [
        paint('bold', 'Could not look'),
        ...[...byReason].flatMap(([reason, silent]) =>
          wrap(`${[...new Set(silent.map(({ ruleId }) => ruleId))].join(', ')}: ${reason}`, 2),
        ),
      ];
}

/** What was read with something left out: the checks went on with the rest. */
function partLines({ gaps }: HealthReport, unjudged: HealthReport['silences'], paint: Paint): readonly string[] {
  const parts = gaps.filter(({ capability }) => !unjudged.some(({ subject }) => subject === capability));
  return parts.length === 0 ? [] : [paint('bold', 'Seen in part'), ...parts.flatMap(({ reason }) => wrap(reason, 2))];
}
