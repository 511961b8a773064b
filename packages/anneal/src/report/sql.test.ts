import { expect, test } from 'vitest';
import { anEmptyAssessment, aRichAssessment, nothingKept } from './fixtures/assessment.ts';
import { sqlFiles } from './sql.ts';

const files = sqlFiles(aRichAssessment());
const contentOf = (name: string) => files.find((file) => file.name === name)?.content ?? '';
/** What the database would see. */
const statementsOf = (content: string) => content.split('\n').filter((line) => line !== '' && !line.startsWith('--'));

test('every kept change is a pair of files, one undoing the other', () => {
  expect(statementsOf(contentOf('001-index-orders-customer-id-placed-at-desc.up.sql'))).toEqual([
    'CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id, placed_at DESC);',
  ]);
  expect(statementsOf(contentOf('001-index-orders-customer-id-placed-at-desc.down.sql'))).toEqual([
    'DROP INDEX CONCURRENTLY IF EXISTS public.orders_customer_id_idx;',
  ]);
});

test('the header tells finding, evidence, prediction, measurement, verdict and how to run it', () => {
  const content = contentOf('001-index-orders-customer-id-placed-at-desc.up.sql');
  expect(content).toContain('-- Finding:   database/missing-index (error), 61 % of database time');
  expect(content).toContain('-- Evidence:  pages touched per call: 4,310 (measured, pg_stat_statements)');
  expect(content).toContain('-- Predicted: database time behind orders_customer_id_idx −98 % (−99 … −90 %, 90 %)');
  expect(content).toContain(
    '-- Measured:  database time behind orders_customer_id_idx −95.9 % (−96.1 … −95.7 %, 98.6 %) in 10 rounds on two arms',
  );
  expect(content).toContain('-- Verdict:   kept.');
  expect(content).toContain('outside a transaction');
});

test('a proposed index gets a name, so that it can be undone, and says that it was not tried', () => {
  const up = contentOf('003-index-order-lines-order-id.up.sql');
  expect(up).toContain('-- Verdict:   not tried');
  expect(statementsOf(up)).toEqual(['CREATE INDEX CONCURRENTLY anneal_c0ffee02 ON public.order_lines (order_id);']);
  expect(statementsOf(contentOf('003-index-order-lines-order-id.down.sql'))).toEqual([
    'DROP INDEX CONCURRENTLY IF EXISTS public.anneal_c0ffee02;',
  ]);
});

test('several proposed indexes, an extension and quoted names become one pair', () => {
  const [finding] = aRichAssessment().findings;
  const code =
    'CREATE EXTENSION IF NOT EXISTS pg_trgm;\nCREATE INDEX CONCURRENTLY ON "Ware ""H"".x".bins (a);\nCREATE INDEX CONCURRENTLY ON bins USING gin (b);';
  const proposal = { ...finding!.proposal, code };
  const assessment = anEmptyAssessment({ findings: [{ ...finding!, fingerprint: 'ab12', standing: 'proposed', proposal }] });
  const [up, down] = sqlFiles(assessment);
  expect(statementsOf(up!.content)).toEqual([
    'CREATE EXTENSION IF NOT EXISTS pg_trgm;',
    'CREATE INDEX CONCURRENTLY anneal_ab12_1 ON "Ware ""H"".x".bins (a);',
    'CREATE INDEX CONCURRENTLY anneal_ab12_2 ON bins USING gin (b);',
  ]);
  expect(statementsOf(down!.content)).toEqual([
    'DROP INDEX CONCURRENTLY IF EXISTS "Ware ""H"".x".anneal_ab12_1;',
    'DROP INDEX CONCURRENTLY IF EXISTS anneal_ab12_2;',
  ]);
});

test('a rewritten query is no migration and becomes no file', () => {
  expect(files.filter(({ content }) => content.includes('ANY($1)'))).toEqual([]);
});

test('another form of a statement is a file of comments with its proof: it belongs into the source', () => {
  const [finding] = aRichAssessment().findings;
  const code = `-- Verified on a copy: equal on 5 parameter sets.\n-- rewrite: instead of\n--   SELECT count(*) > 0 FROM t\n-- write\nSELECT EXISTS (SELECT 1 FROM t);`;
  const proposal = { ...finding!.proposal, title: 'EXISTS instead of a count', code };
  const [file, index] = sqlFiles(anEmptyAssessment({ findings: [{ ...finding!, standing: 'proposed', proposal }] }));
  expect(file!.name).toBe('001-exists-instead-of-a-count.rewrite.sql');
  expect(statementsOf(file!.content)).toEqual([]);
  expect(file!.content).toContain('-- SELECT EXISTS (SELECT 1 FROM t);');
  expect(file!.content).toContain('-- Verified on a copy: equal on 5 parameter sets.');
  expect(index!.content).toContain('`001-exists-instead-of-a-count.rewrite.sql`');
});

test('what was rolled back has no file, only its reason in the README', () => {
  const statements = files.filter(({ name }) => name.endsWith('.sql')).flatMap(({ content }) => statementsOf(content));
  expect(statements.join('\n')).not.toMatch(/trgm|stock|audit/);
  expect(contentOf('README.md')).toMatch(/rolled back[^]*Index audit \(actor\): Write-ahead log regressed: \+44 %/);
  expect(sqlFiles(nothingKept()).map(({ name }) => name)).toContain('README.md');
});

test('no database change gives no files', () => {
  expect(sqlFiles(anEmptyAssessment())).toEqual([]);
});

test('a hostile title or message cannot leave its comment or its folder', () => {
  const assessment = aRichAssessment();
  const [trial] = assessment.trials;
  const hostile = {
    ...trial!,
    finding: { ...trial!.finding!, message: 'x\n; DROP TABLE orders; --' },
    description: { ...trial!.description, title: '../../etc/passwd\u2028DROP TABLE orders' },
  };
  const written = sqlFiles({ ...assessment, trials: [hostile], findings: [] });
  expect(written.map(({ name }) => name)).toEqual([
    '001-etc-passwd-drop-table-orders.up.sql',
    '001-etc-passwd-drop-table-orders.down.sql',
    'README.md',
  ]);
  expect(statementsOf(written[0]!.content)).toEqual([trial!.description.sql!.up]);
});
