import { expect, test } from 'vitest';
import { createSqlParser } from '../../../adapters/sql-parser.ts';
import { aCallSite, aRoute, aRuntime, aStatement, at } from '../../../finding/fixtures/observations.ts';
import type { ColumnObservation } from '../../../measurement/observations.ts';
import { sayings } from '../fixtures/observed-database.ts';
import { wideRows } from './wide-rows.ts';

const parser = await createSqlParser();

const column = (name: string, averageWidthBytes: number): ColumnObservation => ({
  schema: 'public',
  table: 'manuals',
  name,
  type: 'text',
  averageWidthBytes,
  distinct: -1,
  nullShare: 0,
});
const columns = [column('id', 4), column('title', 30), column('full_text', 6_000), column('author', 20)];

/** A list of manuals: `receivedBytes` a call from the database, `responseBytes` a request to the caller. */
function listing(receivedBytes: number, responseBytes: number, text = 'SELECT * FROM manuals WHERE shelf = $1', calls = 100) {
  const shape = parser.shape(text);
  const statement = aStatement({ id: 's', text, shape, tables: ['manuals'], calls, locations: [at('src/manuals.ts', 9, 'list')] });
  const site = aCallSite({ statementId: 's', calls, totalMs: calls * 4, receivedBytes: calls * receivedBytes });
  return {
    'agent.routes': [
      aRoute({
        route: '/manuals',
        requests: calls,
        totalMs: calls * 10,
        queryMs: calls * 4,
        responseBytes: calls * responseBytes,
        statements: [site],
      }),
    ],
    'agent.runtime': aRuntime({ cpuMs: calls * 4 }),
    'postgres.statements': [statement],
    'postgres.columns': columns,
  };
}

test('a list that brings whole texts and answers with titles is found, and the wide column is named', () => {
  const [finding] = wideRows.diagnose(listing(120_000, 2_000) as never, { minimumShare: 0.01 });
  expect(finding).toMatchObject({
    message: expect.stringContaining(
      'each call brings 120 kB and its routes answer with 2 kB of it or less, most of it in manuals.full_text',
    ),
    subject: { columns: ['full_text'] },
    locations: [{ file: 'src/manuals.ts', line: 9 }],
    impact: { resource: 'request-time', share: expect.closeTo(0.5 * (1 - 2_000 / 120_000), 6) },
    proposal: { code: 'SELECT id, title, author FROM manuals ...' },
  });
});

test('named columns are looked at as well as a star', () => {
  const [finding] = wideRows.diagnose(listing(120_000, 2_000, 'SELECT id, full_text FROM manuals') as never, { minimumShare: 0.01 });
  expect(finding).toMatchObject({ subject: { columns: ['full_text'] }, proposal: { code: null } });
});

test('rows whose bytes are answered with are used', () => {
  const said = sayings([wideRows], listing(120_000, 110_000));
  expect(said.found).toEqual([]);
  expect(said.silent['database/wide-rows']).toMatch(/that is used/);
});

test('a row that fits a packet is not worth trimming', () => {
  expect(sayings([wideRows], listing(900, 40)).silent['database/wide-rows']).toMatch(/fits one packet/);
});

test('one call proves no rate', () => {
  const observed = { ...listing(120_000, 2_000, undefined, 1), 'agent.runtime': aRuntime({ cpuMs: 100 }) };
  expect(sayings([wideRows], observed).silent['database/wide-rows']).toMatch(/^3\.\d+ % of request time over 1 call\(s\): /);
});
