import type { Evidence, Finding } from '../finding/finding.ts';
import type { Description } from '../remedy/remedy.ts';
import type { Trial } from '../trial/trial.ts';
import type { AssessedFinding, Assessment } from './assessment.ts';
import { counted, evidenceValue, interval, metricName, plain } from './format.ts';
import { withoutCredentials } from './redaction.ts';
import { equalityWords, impactWords, placeOf, predictedWords, verdictReason, verdictWord } from './story.ts';

export interface SqlFile {
  /** Within the folder, e.g. `001-orders-customer-id.up.sql`. */
  readonly name: string;
  readonly content: string;
}

type Sql = NonNullable<Description['sql']>;

/** A database change to write down: proven by a trial, or only proposed. */
interface Change {
  readonly title: string;
  readonly sql: Sql;
  readonly header: readonly string[];
  readonly standing: 'proven' | 'not tried';
}

/**
 * `slow-query-fixes/`: a pair of files for every database change that was kept, then for every one that is only
 * proposed, each with its reasons, and a README.md that also names what was tried and rolled back. What was rolled
 * back has no files, so that nobody runs it by mistake. No database change at all gives no files.
 */
export function sqlFiles(given: Assessment): readonly SqlFile[] {
  const assessment = withoutCredentials(given);
  const changes = [...keptChanges(assessment.trials), ...proposedChanges(assessment.findings)];
  const rolledBack = assessment.trials.filter((trial) => trial.verdict.decision === 'rollback' && trial.description.sql !== null);
  const rewrites = proposedRewrites(assessment.findings);
  if (changes.length + rolledBack.length + rewrites.length === 0) return [];
  const named = changes.map((change, index) => ({ change, name: `${String(index + 1).padStart(3, '0')}-${slug(change.title)}` }));
  const files = named.flatMap(({ change, name }) => [
    { name: `${name}.up.sql`, content: file(change, change.sql.up, `${name}.down.sql undoes it.`) },
    { name: `${name}.down.sql`, content: file(change, change.sql.down, `Undoes ${name}.up.sql.`) },
  ]);
  const rewritten = rewrites.map(({ title, lines }, index) => ({
    title,
    name: `${String(named.length + index + 1).padStart(3, '0')}-${slug(title)}.rewrite.sql`,
    content: `${lines.map(comment).join('\n')}\n`,
  }));
  const added = rewritten.map(({ name, content }) => ({ name, content }));
  return [...files, ...added, { name: 'README.md', content: readme(named, rolledBack, rewritten) }];
}

interface Rewrite {
  readonly title: string;
  readonly lines: readonly string[];
}

/** Another form of a statement belongs into the application's source: nothing here is to be run, so all of it is comment. */
function proposedRewrites(findings: readonly AssessedFinding[]): readonly Rewrite[] {
  return findings.flatMap((finding) => {
    const { title, code, text } = finding.proposal;
    if (finding.standing !== 'proposed' || code === null || !/^-- rewrite: /mu.test(code)) return [];
    const lines = [
      title,
      '',
      ...findingLines(finding),
      `Why:       ${plain(text)}`,
      '',
      ...code.split('\n').map((line) => line.replace(/^-- /u, '')),
    ];
    return [{ title, lines }];
  });
}

function keptChanges(trials: readonly Trial[]): readonly Change[] {
  return trials.flatMap((trial) => {
    const { finding, description, verdict, prediction, primary } = trial;
    if (verdict.decision !== 'keep' || description.sql === null) return [];
    const header = [
      ...(finding === null ? [] : findingLines(finding)),
      `Predicted: ${prediction === null ? 'nothing' : `${metricName(prediction.metric)} ${predictedWords(trial)}`}`,
      `Measured:  ${metricName(primary.metric)} ${interval(primary.change, primary.metric)} in ${counted(primary.rounds, 'round')} on two arms`,
      `Verdict:   ${verdictWord(trial)}. ${verdictReason(trial)}`,
      `Answers:   ${equalityWords(trial.equality)}`,
    ];
    return [{ title: description.title, sql: description.sql, header, standing: 'proven' as const }];
  });
}

function proposedChanges(findings: readonly AssessedFinding[]): readonly Change[] {
  const proposed = findings.filter((finding) => finding.standing === 'proposed');
  return proposed.flatMap((finding) => {
    const { title, code, expected } = finding.proposal;
    const sql = code === null ? null : indexMigration(code, finding.fingerprint);
    if (sql === null) return [];
    const header = [
      ...findingLines(finding),
      `Predicted: ${expected === null ? 'nothing supports a number' : interval(expected)}`,
      `Verdict:   not tried (${plain(finding.standingReason)}). Prove it with \`anneal optimize\` before you run it.`,
    ];
    return [{ title, sql, header, standing: 'not tried' as const }];
  });
}

function findingLines(finding: Finding): readonly string[] {
  return [
    `Finding:   ${finding.ruleId} (${finding.level}), ${impactWords(finding.impact)}`,
    `           ${plain(finding.message)}`,
    `Where:     ${placeOf(finding)}`,
    ...finding.evidence.map((evidence, index) => `${index === 0 ? 'Evidence:  ' : '           '}${evidenceWords(evidence)}`),
  ];
}

function evidenceWords({ label, value, unit, provenance, source }: Evidence): string {
  return `${plain(label)}: ${plain(evidenceValue(value, unit))} (${provenance}, ${plain(source)})`;
}

/**
 * A proposal's index statements with names, so that they can be undone; null for code that is no migration (a
 * rewritten query, a condition). Proposals are ours and name no index, because nothing exists yet that needs one.
 */
function indexMigration(code: string, fingerprint: string): Sql | null {
  const statements = code.split(/;\s*(?:\n|$)/u).filter((statement) => statement.trim() !== '');
  const indexes = statements.filter((statement) => unnamedIndex.test(statement));
  const extensions = statements.filter((statement) => /^CREATE EXTENSION IF NOT EXISTS \w+$/u.test(statement.trim()));
  if (indexes.length === 0 || indexes.length + extensions.length < statements.length) return null;
  const up: string[] = extensions.map((statement) => `${statement.trim()};`);
  const down: string[] = [];
  for (const [position, statement] of indexes.entries()) {
    const name = `anneal_${fingerprint.replaceAll(/\W/gu, '').slice(0, 12)}${indexes.length === 1 ? '' : `_${position + 1}`}`;
    const schema = unnamedIndex.exec(statement)?.groups?.['schema'] ?? '';
    up.push(`${statement.trim().replace(unnamedIndex, `CREATE INDEX CONCURRENTLY ${name} ON ${schema}`)};`);
    down.push(`DROP INDEX CONCURRENTLY IF EXISTS ${schema}${name};`);
  }
  return { up: up.join('\n'), down: down.join('\n') };
}

const unnamedIndex = /^CREATE INDEX CONCURRENTLY ON (?<schema>(?:"(?:[^"]|"")+"|[a-z_][\w$]*)\.)?/u;

function file(change: Change, sql: string, counterpart: string): string {
  const lines = [change.title, '', ...change.header, '', counterpart, ...(sql.includes('CONCURRENTLY') ? howToRun : [])];
  return `${lines.map(comment).join('\n')}\n\n${sql.trim()}\n`;
}

/** CREATE INDEX, "Building Indexes Concurrently", PostgreSQL's manual. */
const howToRun = [
  'Run it outside a transaction, e.g. `psql -f`: CONCURRENTLY locks no writes out and therefore needs its own transactions.',
  'Give it no statement_timeout. A build that fails leaves an INVALID index: drop it, then run this again.',
];

/** A line break inside a comment would end it. */
function comment(line: string): string {
  return `-- ${line.replaceAll(/[\r\n\u2028\u2029]+/gu, ' ')}`.trimEnd();
}

function readme(
  named: readonly { readonly change: Change; readonly name: string }[],
  rolledBack: readonly Trial[],
  rewrites: readonly { readonly title: string; readonly name: string }[],
): string {
  const section = (title: string, lines: readonly string[]) => (lines.length === 0 ? [] : ['', `## ${title}`, '', ...lines]);
  const pairs = (standing: Change['standing']) =>
    named.filter(({ change }) => change.standing === standing).map(({ change, name }) => `- \`${name}\`: ${oneLine(change.title)}`);
  return `${[
    '# Slow query fixes',
    '',
    'Each `.up.sql` makes one change and its `.down.sql` undoes it. Run them one at a time, outside a transaction:',
    '',
    '    psql "$DATABASE_URL" -f 001-....up.sql',
    ...section('Proven on two arms', pairs('proven')),
    ...section('Proposed, not tried', pairs('not tried')),
    ...section(
      "Statements to write differently in the application's source: nothing to run",
      rewrites.map(({ title, name }) => `- \`${name}\`: ${oneLine(title)}`),
    ),
    ...section(
      'Tried and rolled back: no files, do not run them',
      rolledBack.map((trial) => `- ${oneLine(trial.description.title)}: ${oneLine(verdictReason(trial))}`),
    ),
  ].join('\n')}\n`;
}

function oneLine(text: string): string {
  return plain(text).replaceAll(/[\\`*_[\]<>|]/gu, String.raw`\$&`);
}

/** A file name from a title: "Index orders (customer_id, placed_at DESC)" -> "index-orders-customer-id-placed-at-desc". */
function slug(title: string): string {
  const words = title
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z\d]+/gu, '-')
    .replaceAll(/^-+|-+$/gu, '');
  return words.slice(0, 60).replace(/-+$/u, '') || 'change';
}
