import { expect, test } from 'vitest';
import { diagnosing, type Traffic } from '../fixtures/observed-database.ts';
import { invoicing, sensing } from '../fixtures/schemas.ts';
import { deepOffset } from './deep-offset.ts';
import { missingSortIndex } from './missing-sort-index.ts';

const pageAt = (...offsets: readonly number[]): Traffic => ({
  text: 'SELECT id FROM reports ORDER BY taken_at DESC LIMIT 20 OFFSET $1',
  values: offsets.map((offset) => [offset]),
  rows: 20,
});

const said = diagnosing(deepOffset, missingSortIndex);

test('a page far behind the first is found, also where the planner sorted everything rather than skip', async () => {
  for (const offset of [4_000, 25_000]) {
    const { found, outcomes } = await said(sensing, pageAt(0, offset));
    expect(found).toEqual(['database/deep-offset']);
    expect(outcomes[0]).toMatchObject({
      message: expect.stringContaining(`throws away ${offset.toLocaleString('en')} rows of reports`),
      proposal: {
        code: expect.stringContaining(
          'WHERE ROW(reports.taken_at, reports.id) < ROW($1, $2)\nORDER BY reports.taken_at DESC, reports.id DESC\nLIMIT 20;',
        ),
      },
    });
  }
});

test('without an index in the order of the page, the order is the first cause', async () => {
  const { found } = await said(invoicing, { text: 'SELECT id FROM invoices ORDER BY issued_at LIMIT 20 OFFSET $1', values: [[100]] });
  expect(found).toEqual(['database/missing-sort-index']);
});

test('first pages are silent with the depth that was seen', async () => {
  const { found, silent } = await said(sensing, pageAt(0, 20));
  expect(found).toEqual([]);
  expect(silent['database/deep-offset']).toBe('it skips 20 rows to return 20: pages read so far are shallow');
});

test('a depth that nobody saw is not guessed', async () => {
  const { silent } = await said(sensing, { text: pageAt().text });
  expect(silent['database/deep-offset']).toMatch(/no parameters were seen/);
});

test('an order of mixed directions gets its condition spelled out', async () => {
  const { outcomes } = await said(`${sensing} CREATE INDEX ON reports (taken_at DESC, id);`, {
    text: 'SELECT id FROM reports ORDER BY taken_at DESC, id LIMIT 20 OFFSET $1',
    values: [[9_000]],
  });
  expect(outcomes[0]).toMatchObject({
    proposal: { code: expect.stringContaining('WHERE reports.taken_at < $1 OR (reports.taken_at = $1 AND reports.id > $2)\n') },
  });
});
