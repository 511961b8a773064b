import { describe, expect, test } from 'vitest';
import { anEmptyAssessment, aRichAssessment, nothingKept, withoutDatabase } from './fixtures/assessment.ts';
import { renderMarkdown } from './markdown.ts';

describe('what a reviewer relies on', () => {
  const report = renderMarkdown(aRichAssessment());
  const between = (from: string, to: string) => report.slice(report.indexOf(from), report.indexOf(to, report.indexOf(from) + from.length));

  test('sections stand in the order of a decision', () => {
    expect(report.match(/^## .*/gm)).toEqual([
      '## Summary',
      '## Findings',
      '## Trials',
      '## Everything kept, against the original',
      '## Predictions held against what happened',
      '## What was kept costs',
      '## How to undo',
      '## Traffic: Before',
      '## What was not looked at, or not decided',
      '## How to get the same again',
    ]);
  });

  test('evidence stands with value, provenance and source', () => {
    expect(report).toContain('| rows read per call | 498,200 | predicted | EXPLAIN |');
  });

  test('a trial shows design, interval, guards, masks, cost and its undo', () => {
    const trial = between('### Index orders (customer\\_id, placed\\_at DESC): kept', '### Index orders (status');
    expect(trial).toContain('10 rounds kept, 1 dropped before anyone looked at the outcome');
    expect(trial).toContain('looks after 10, 15, 20, 30, 40, 60 rounds, each at 98.6 %');
    expect(trial).toContain('−95.9 % (−96.1 … −95.7 %, 98.6 %) | improved |');
    expect(trial).toMatch(/write-ahead log \(guard, margin \+10 %\).*holds \|/);
    expect(trial).toContain('| `POST /orders` | `$.order.placedAt` |');
    expect(trial).toContain('46.1 MB of disk');
    expect(trial).toContain('DROP INDEX CONCURRENTLY IF EXISTS public.orders_customer_id_idx;');
  });

  test('a rolled-back trial shows its reason and its mismatch', () => {
    const trial = between('### Index products (name gin\\_trgm\\_ops): rolled back: answers differ', '### Index stock');
    expect(trial).toContain('| `GET /search` | `$.items[3].id` | 81 instead of 17 |');
  });

  test('predictions are scored, missed ones too', () => {
    expect(report).toContain('4 of 6 measured changes fell inside the predicted interval');
    expect(report).toMatch(/`pool main` \| pool wait \| −60 % .* \| no \|/);
  });

  test('what was not looked at is said', () => {
    const limits = between('## What was not looked at', '## How to get');
    expect(limits).toContain('No rules yet for: Queues.');
    expect(limits).toContain('| `api/blocking-call` | `src/pdf.ts:88` | not called in this window |');
  });
});

test('a run without trials, findings or database is still a whole report', () => {
  expect(renderMarkdown(anEmptyAssessment())).toContain('Nothing was tried in this run.');
  expect(renderMarkdown(withoutDatabase())).toContain('no database');
  const report = renderMarkdown(nothingKept());
  expect(report).toContain('Nothing was kept: 4 changes tried, every one rolled back.');
  expect(report).not.toMatch(/## How to undo|## What was kept costs/);
});

test('text of the target can neither leave its cell nor become markup, link or mention', () => {
  const assessment = aRichAssessment();
  const nasty = '<img src=x onerror=alert(1)> | **bold** [a](http://x.example) @someone `tick';
  const [finding] = assessment.findings;
  const [window] = assessment.windows;
  const report = renderMarkdown({
    ...assessment,
    trials: [],
    findings: [{ ...finding!, message: nasty, subject: { kind: 'route', key: nasty, route: nasty, statementId: null }, locations: [] }],
    windows: [{ ...window!, routes: [{ ...window!.routes[0]!, route: nasty }] }],
  });
  const outsideCode = report.replaceAll('\\`', '').replaceAll(/(`+)(?!`)[^]*?[^`]\1(?!`)/g, '');
  expect(outsideCode).not.toMatch(/<img|[^\\]\*\*bold|[^\\]\]\(http|@someone/);
  const row = report.split('\n').find((line) => line.startsWith('| ') && line.includes('onerror'))!;
  expect(row.split(/(?<!\\)\|/)).toHaveLength(8);
});

test('a fence is longer than any run of backticks in what it holds', () => {
  const assessment = aRichAssessment();
  const [finding] = assessment.findings;
  const proposal = { ...finding!.proposal, code: '```\n# broken out' };
  expect(renderMarkdown({ ...assessment, findings: [{ ...finding!, proposal }] })).toContain('````js\n```\n# broken out\n````');
});

test('a credential never appears', () => {
  const assessment = aRichAssessment();
  const startCommand = 'DATABASE_URL=postgres://app:hunter2@db/shop API_KEY=abcdef0123456789 node app.js';
  const report = renderMarkdown({ ...assessment, target: { ...assessment.target, startCommand } });
  expect(report).not.toMatch(/hunter2|abcdef0123456789/);
});
