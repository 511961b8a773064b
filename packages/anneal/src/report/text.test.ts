import { PassThrough } from 'node:stream';
import { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Assessment } from './assessment.ts';
import { parseAssessment } from './assessment-schema.ts';
import { anEmptyAssessment, aRichAssessment, nothingKept, withoutDatabase } from './fixtures/assessment.ts';
import { renderText } from './text.ts';

/** A file or a pipe: what `anneal ... > out.txt` writes to. */
const pipe = new PassThrough() as unknown as NodeJS.WriteStream;

/** A terminal whose colours are what Node reads from the environment. */
const terminal = Object.assign(new PassThrough(), {
  isTTY: true,
  getColorDepth: () => WriteStream.prototype.getColorDepth(),
}) as unknown as NodeJS.WriteStream;

afterEach(() => vi.unstubAllEnvs());

const textOf = (assessment: Assessment): string => renderText(assessment, pipe);
const onOneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');

describe('what a user relies on', () => {
  const text = onOneLine(textOf(aRichAssessment()));

  test('the first figure is the gain of everything kept, with its interval and its provenance', () => {
    expect(text).toMatch(/^anneal optimize · warehouse .* p95 latency −66 % \(−67 … −65 %, 95 %\), measured: everything kept/);
  });

  test('every finding stands with level, share, rule, place and what became of it', () => {
    expect(text).toContain('error 57 % database/missing-index confirmed src/orders.ts:41');
    expect(text).toContain('suppressed: runs once a night, on a replica');
  });

  test('every trial tells predicted against measured, and a rolled-back one its reason', () => {
    expect(text).toContain('predicted −98 % (−99 … −90 %, 90 %), measured −95.9 % (−96.1 … −95.7 %, 98.6 %) in 10 rounds');
    expect(text).toContain('Index products (name gin_trgm_ops): rolled back: answers differ');
    expect(text).toContain('GET /search at $.items[3].id: 81 instead of 17');
    expect(text).toContain('Index audit (actor): rolled back: regressed');
    expect(text).toContain('Write-ahead log regressed: +44 %, beyond its margin of +10 %');
  });

  test('no change and inconclusive are different words', () => {
    expect(text).toContain('Index stock (warehouse_id): rolled back: no change');
    expect(text).toContain('Pool main: 14 connections in place of 10: rolled back: inconclusive');
  });

  test('cost, failed thresholds, gaps and what to do next are there', () => {
    expect(text).toContain('What was kept costs 71.3 MB of disk, 2.14 s to build, write volume +3.1 % (measured)');
    expect(text).toContain('FAILS http_req_duration p(95)<250 (measured 412)');
    expect(text).toContain('postgres.waits was not read');
    expect(text).toContain('2. Fetch all lines of the page in one statement (src/orders.ts:71)');
  });

  test('what kept the two arms from being alike is said', () => {
    const rich = aRichAssessment();
    const reserved = { ...rich, noiseFloor: { ...rich.noiseFloor!, reservations: ['One copy may log whole pages.'] } };
    expect(onOneLine(textOf(parseAssessment(reserved, 'run.json')))).toContain('One copy may log whole pages.');
    expect(text).not.toContain('One copy may log whole pages.');
  });
});

test('no line is wider than 100 columns', () => {
  for (const assessment of [aRichAssessment(), anEmptyAssessment(), nothingKept(), withoutDatabase()]) {
    const widths = textOf(assessment)
      .split('\n')
      .map((line) => line.length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(100);
  }
});

test('a measurement without findings says what it measured and claims nothing', () => {
  const text = onOneLine(textOf(anEmptyAssessment()));
  expect(text).toContain('2,340 requests at 78/s for 30 s');
  expect(text).not.toMatch(/Findings|Trials|kept/);
});

test('a diagnosis that finds nothing says so, and a run that kept nothing says that', () => {
  expect(textOf({ ...withoutDatabase(), silences: [] })).toContain('Nothing was found that holds this backend back under this traffic.');
  expect(onOneLine(textOf(withoutDatabase()))).toContain('1 rule had no data: postgres.statements: the target has no database.');
  expect(onOneLine(textOf(withoutDatabase()))).toContain(
    'Nothing was found that holds this backend back under this traffic, by the rules that had data.',
  );
  expect(textOf(nothingKept())).toContain('Nothing was kept: 4 changes tried, every one rolled back.');
});

test('a window that is not to be trusted is said before anything is believed', () => {
  const assessment = anEmptyAssessment();
  const [window] = assessment.windows;
  const quality = { trusted: false, problems: ['send lag p99 31 ms exceeds 5 ms'] };
  expect(onOneLine(textOf({ ...assessment, windows: [{ ...window!, quality }] }))).toContain(
    'The window "Before" is not to be trusted: send lag p99 31 ms exceeds 5 ms.',
  );
});

test('what a source says of itself is no doubt of the latencies, and one reason is said once', () => {
  const assessment = anEmptyAssessment();
  const [window] = assessment.windows;
  const quality = { trusted: true, problems: ['agent: another process served as well'] };
  const reason = 'the target has no database';
  const gaps = (['postgres.tables', 'postgres.indexes'] as const).map((capability) => ({ capability, reason }));
  const silences = gaps.map(({ capability }) => ({
    ruleId: 'database/x' as const,
    subject: capability,
    reason: `no data: ${capability}: ${reason}`,
  }));
  const text = onOneLine(textOf({ ...assessment, silences, windows: [{ ...window!, quality, gaps }] }));
  expect(text).toContain('In the window "Before": agent: another process served as well.');
  expect(text).not.toContain('not in latencies');
  expect(text).toContain('postgres.tables, postgres.indexes were not read: the target has no database.');
  expect(text).toContain('1 rule had no data: the target has no database.');
});

test('labelled weaknesses are counted: found, missed, invented', () => {
  const assessment = aRichAssessment();
  const defects = { expected: 3, found: 2, missed: ['slow-login'], invented: ['api/blocking-call src/x.ts'] };
  const text = onOneLine(textOf({ ...assessment, summary: { ...assessment.summary, defects } }));
  expect(text).toContain(
    'Of 3 labelled weaknesses 2 found, 1 missed, 1 invented. Missed: slow-login. Invented: api/blocking-call src/x.ts.',
  );
});

test('a pipe gets no colours, a terminal gets the same words with them', () => {
  const assessment = aRichAssessment();
  for (const name of ['CI', 'FORCE_COLOR', 'NODE_DISABLE_COLORS', 'NO_COLOR', 'TMUX']) vi.stubEnv(name, undefined);
  vi.stubEnv('TERM', 'xterm-256color');
  const coloured = renderText(assessment, terminal);
  expect(coloured).toContain('\u001B[');
  expect(stripVTControlCharacters(coloured)).toBe(textOf(assessment));
  vi.stubEnv('NO_COLOR', '1');
  expect(renderText(assessment, terminal)).not.toContain('\u001B[');
  expect(textOf(assessment)).not.toContain('\u001B[');
});

test('a route cannot write to the terminal, and a credential never appears', () => {
  const assessment = aRichAssessment();
  const hostile = { ...assessment.findings[0]!, message: 'GET /\u001B]0;owned\u0007\u001B[2J', standing: 'proposed' as const };
  const text = textOf({ ...assessment, findings: [hostile], nextActions: ['see postgres://app:hunter2@db/shop'] });
  for (const forbidden of ['\u001B', '\u0007', 'hunter2']) expect(text).not.toContain(forbidden);
});
