import { describe, expect, test } from 'vitest';
import { createSqlParser } from '../../adapters/sql-parser.ts';
import type { ColumnObservation, IndexObservation, TableObservation } from '../../measurement/observations.ts';
import type { IndexDefinition, StatementPlan } from '../../ports/planner.ts';
import { indexCandidates, type SchemaFacts } from './index-candidates.ts';

const parser = await createSqlParser();

/** A shop with invoices and their lines, and a building with sensors. */
const facts: SchemaFacts = {
  tables: [table('invoices', 100_000), table('lines', 800_000), table('readings', 5_000_000)],
  columns: [
    column('invoices', 'id', 'bigint', -1),
    column('invoices', 'customer_id', 'integer', 5_000),
    column('invoices', 'tenant_id', 'integer', 40),
    column('invoices', 'status', 'text', 4),
    column('invoices', 'email', 'character varying(200)', -0.2),
    column('invoices', 'title', 'text', -0.9),
    column('invoices', 'details', 'jsonb', -0.9),
    column('invoices', 'labels', 'text[]', 300),
    column('invoices', 'issued_at', 'timestamp with time zone', -1),
    column('invoices', 'voided_at', 'timestamp with time zone', -0.01, 0.97),
    column('invoices', 'paid_at', 'timestamp with time zone', -0.7, 0.3),
    column('invoices', 'Net Total', 'numeric', -0.5),
    column('lines', 'invoice_id', 'bigint', 100_000),
    column('lines', 'product_id', 'integer', 900),
    column('readings', 'sensor_id', 'integer', 2_000),
    column('readings', 'at', 'timestamp with time zone', -0.9),
    column('readings', 'value', 'double precision', -0.4),
  ],
  indexes: [index('invoices_pkey', 'invoices', ['id'], { unique: true, primary: true })],
};

function table(name: string, liveRows: number): TableObservation {
  const activity = { sequentialScans: 0, sequentialRowsRead: 0, indexScans: 0, inserts: 0, updates: 0, hotUpdates: 0, deletes: 0 };
  return { schema: 'public', name, liveRows, sizeBytes: liveRows * 100, ...activity };
}

function column(table: string, name: string, type: string, distinct: number, nullShare = 0): ColumnObservation {
  return { schema: 'public', table, name, type, averageWidthBytes: 8, distinct, nullShare };
}

function index(
  name: string,
  table: string,
  keys: readonly string[],
  rest: Partial<IndexObservation> & { readonly predicate?: string; readonly method?: IndexDefinition['method'] } = {},
): IndexObservation {
  const { predicate = null, method = 'btree', ...flags } = rest;
  const definition: IndexDefinition = { schema: 'public', table, keys, method, include: [], predicate };
  return { name, definition, sizeBytes: 0, scans: 0, valid: true, unique: false, primary: false, ...flags };
}

/** Candidates in order, each as its keys. */
function keysFor(
  text: string,
  given: Partial<SchemaFacts> = {},
  anchoredPatterns: boolean | null = null,
  plan: StatementPlan | null = null,
) {
  return candidatesFor(text, given, anchoredPatterns, plan).map(({ definition }) => definition.keys.join(', '));
}

function candidatesFor(
  text: string,
  given: Partial<SchemaFacts> = {},
  anchoredPatterns: boolean | null = null,
  plan: StatementPlan | null = null,
) {
  return indexCandidates(parser.shape(text)!, plan, { ...facts, ...given }, { anchoredPatterns });
}

describe('the order of keys', () => {
  test('equality, then the sort in its direction, so that LIMIT can stop early', () => {
    const [first] = candidatesFor('SELECT * FROM invoices WHERE customer_id = $1 ORDER BY issued_at DESC LIMIT 20');
    expect(first?.definition.keys).toEqual(['customer_id', 'issued_at DESC']);
    expect(first?.reason).toContain('issued_at follows in the direction of ORDER BY');
  });

  test('a sort without LIMIT reads every row anyway and earns no key', () => {
    expect(keysFor('SELECT * FROM invoices WHERE customer_id = $1 ORDER BY issued_at DESC')).toEqual(['customer_id']);
  });

  test('a sort with LIMIT and no filter is an index of its own', () => {
    expect(keysFor('SELECT * FROM readings ORDER BY at DESC, sensor_id LIMIT 100')).toEqual(['at DESC, sensor_id']);
  });

  test('a sort after grouping is not served by an index', () => {
    expect(
      keysFor('SELECT customer_id, count(*) FROM invoices WHERE tenant_id = $1 GROUP BY customer_id ORDER BY customer_id LIMIT 5'),
    ).toEqual(['tenant_id']);
  });

  test('equalities come before the range, which stands last and alone', () => {
    expect(keysFor('SELECT * FROM readings WHERE at > $1 AND value < $3 AND sensor_id = $2')).toEqual(['sensor_id, at']);
  });

  test('a range on the sorted column is the sort key itself', () => {
    expect(keysFor('SELECT * FROM readings WHERE sensor_id = $1 AND at < $2 ORDER BY at DESC LIMIT 50')).toEqual([
      'sensor_id, at DESC',
      'sensor_id, at',
    ]);
  });

  test('the more distinct of two equalities leads', () => {
    expect(keysFor('SELECT * FROM invoices WHERE tenant_id = $1 AND customer_id = $2')).toEqual(['customer_id, tenant_id']);
  });

  test('no column follows those that already single out a row', () => {
    const keys = keysFor('SELECT * FROM invoices WHERE customer_id = $1 AND email = $2 AND tenant_id = $3');
    expect(keys).toEqual(['email, customer_id']);
  });

  test('a list of values is no single run of entries, so the filter is offered before the sort', () => {
    expect(keysFor('SELECT * FROM invoices WHERE customer_id = ANY($1) ORDER BY issued_at DESC LIMIT 10')).toEqual([
      'customer_id',
      'issued_at DESC',
    ]);
  });

  test('half an ORDER BY sorts nothing', () => {
    expect(keysFor('SELECT * FROM invoices WHERE customer_id = $1 ORDER BY issued_at DESC, random() LIMIT 10')).toEqual(['customer_id']);
  });

  test('names that need it are quoted', () => {
    expect(keysFor('SELECT * FROM invoices WHERE "Net Total" = $1')).toEqual(['"Net Total"']);
  });
});

describe('joins', () => {
  test("the column that joins does not mix with the statement's own filter", () => {
    const keys = keysFor(
      'SELECT * FROM invoices i JOIN lines l ON l.invoice_id = i.id WHERE i.customer_id = $1 ORDER BY i.issued_at LIMIT 10',
    );
    expect(keys).toContain('customer_id, issued_at');
    expect(keys).toContain('invoice_id');
    expect(keys.find((candidate) => candidate.startsWith('customer_id'))).toBe('customer_id, issued_at');
  });

  test('the dearest scan of the plan comes first', () => {
    const text = 'SELECT * FROM invoices i JOIN lines l ON l.invoice_id = i.id WHERE i.customer_id = $1';
    const scan = (relation: string, cost: number) => ({ ...node('Seq Scan', cost), 'Relation Name': relation, Schema: 'public' });
    const planOf = (invoices: number, lines: number): StatementPlan => ({
      root: { ...node('Hash Join', invoices + lines), Plans: [scan('invoices', invoices), scan('lines', lines)] },
      totalCost: invoices + lines,
      generic: false,
    });
    expect(keysFor(text, {}, null, planOf(10, 900))[0]).toBe('invoice_id');
    expect(keysFor(text, {}, null, planOf(900, 10))[0]).toBe('customer_id');
  });

  test('a column that either table could own is nobody’s', () => {
    const columns = [...facts.columns, column('lines', 'status', 'text', 3)];
    expect(keysFor('SELECT * FROM invoices i JOIN lines l ON l.invoice_id = i.id WHERE status = $1', { columns })).toEqual(['invoice_id']);
  });
});

function node(type: string, cost: number) {
  return { 'Node Type': type, 'Startup Cost': 0, 'Total Cost': cost, 'Plan Rows': 1, 'Plan Width': 8 };
}

describe('partial indexes', () => {
  test('a state that few rows are in moves into WHERE, and the full index is the second choice', () => {
    const candidates = candidatesFor(`SELECT * FROM invoices WHERE status = 'open' AND customer_id = $1`);
    expect(candidates.map(({ definition }) => [definition.keys, definition.predicate])).toEqual([
      [['customer_id'], `status = 'open'`],
      [['customer_id', 'status'], null],
    ]);
  });

  test('a state that most rows are in neither leads nor decides', () => {
    const candidates = candidatesFor('SELECT * FROM invoices WHERE voided_at IS NULL AND customer_id = $1');
    expect(candidates.map(({ definition }) => [definition.keys, definition.predicate])).toEqual([
      [['customer_id'], null],
      [['customer_id'], 'voided_at IS NULL'],
    ]);
  });

  test('a value of many, inlined by the application, is no state and reaches no index', () => {
    const candidates = candidatesFor(`SELECT * FROM invoices WHERE email = 'ada@example.org'`);
    expect(candidates.map(({ definition }) => definition)).toEqual([
      { schema: 'public', table: 'invoices', keys: ['email'], method: 'btree', include: [], predicate: null },
    ]);
    expect(JSON.stringify(candidates)).not.toContain('ada@example.org');
  });

  test('a parameter is no state', () => {
    expect(candidatesFor('SELECT * FROM invoices WHERE status = $1').map(({ definition }) => definition.predicate)).toEqual([null]);
  });
});

describe('expressions, containment and patterns', () => {
  test('a condition on an expression becomes a key of that expression', () => {
    expect(keysFor('SELECT * FROM invoices WHERE lower(email) = $1')).toEqual(['lower(email)']);
    expect(keysFor(`SELECT * FROM invoices WHERE details->>'ref' = $1 ORDER BY issued_at LIMIT 5`)[0]).toBe(
      `(details ->> 'ref'), issued_at`,
    );
  });

  test('containment in jsonb asks for hashed paths, in an array for its elements', () => {
    expect(
      candidatesFor('SELECT * FROM invoices WHERE details @> $1').map(({ definition }) => [definition.method, definition.keys]),
    ).toEqual([['gin', ['details jsonb_path_ops']]]);
    expect(
      candidatesFor('SELECT * FROM invoices WHERE labels @> $1').map(({ definition }) => [definition.method, definition.keys]),
    ).toEqual([['gin', ['labels']]]);
  });

  test('a pattern that may begin with anything asks for trigrams and their extension', () => {
    const [first, ...others] = candidatesFor('SELECT * FROM invoices WHERE title ILIKE $1', {}, false);
    expect(first).toMatchObject({ extension: 'pg_trgm', definition: { method: 'gin', keys: ['title gin_trgm_ops'] } });
    expect(others).toEqual([]);
    expect(keysFor(`SELECT * FROM invoices WHERE title LIKE '%copper%'`)).toEqual(['title gin_trgm_ops']);
  });

  test('a literal beginning is a range of a byte-ordered B-tree, but not where case is ignored', () => {
    expect(keysFor('SELECT * FROM invoices WHERE title LIKE $1', {}, true)).toEqual(['title text_pattern_ops']);
    expect(keysFor(`SELECT * FROM invoices WHERE tenant_id = $1 AND title LIKE 'INV-%'`)).toEqual(['tenant_id, title text_pattern_ops']);
    expect(keysFor('SELECT * FROM invoices WHERE title ILIKE $1', {}, true)).toEqual(['title gin_trgm_ops']);
  });

  test('a pattern nobody has seen gets both, trigrams first', () => {
    expect(keysFor('SELECT * FROM invoices WHERE title LIKE $1').sort()).toEqual(['title gin_trgm_ops', 'title text_pattern_ops']);
  });

  test('a pattern without three letters in a row has no trigram', () => {
    expect(keysFor(`SELECT * FROM invoices WHERE title ILIKE '%ab%'`)).toEqual([]);
  });

  test('patterns joined by OR are served by one index over both, other alternatives by none', () => {
    expect(keysFor('SELECT * FROM invoices WHERE title ILIKE $1 OR email ILIKE $1')).toEqual(['title gin_trgm_ops, email gin_trgm_ops']);
    expect(keysFor('SELECT * FROM invoices WHERE title ILIKE $1 OR customer_id = $2')).toEqual([]);
  });
});

describe('what exists already is not proposed', () => {
  const query = 'SELECT * FROM invoices WHERE tenant_id = $1 AND customer_id = $2';

  test('an index that begins with the same equalities, in either order', () => {
    expect(keysFor(query, { indexes: [index('a', 'invoices', ['tenant_id', 'customer_id', 'issued_at'])] })).toEqual([]);
  });

  test('but not one that begins elsewhere, is INVALID, or holds other rows', () => {
    expect(keysFor(query, { indexes: [index('a', 'invoices', ['issued_at', 'tenant_id', 'customer_id'])] })).toHaveLength(1);
    expect(keysFor(query, { indexes: [index('a', 'invoices', ['tenant_id', 'customer_id'], { valid: false })] })).toHaveLength(1);
    expect(
      keysFor(query, { indexes: [index('a', 'invoices', ['tenant_id', 'customer_id'], { predicate: 'paid_at IS NULL' })] }),
    ).toHaveLength(1);
  });

  test('a unique index over some of the equalities finds its one row already', () => {
    expect(keysFor('SELECT * FROM invoices WHERE id = $1 AND customer_id = $2')).toEqual([]);
  });

  test('a sort is served backwards too, but not in a mixture of directions', () => {
    const page = 'SELECT * FROM invoices WHERE tenant_id = $1 ORDER BY issued_at DESC, customer_id DESC LIMIT 10';
    expect(keysFor(page, { indexes: [index('a', 'invoices', ['tenant_id', 'issued_at', 'customer_id'])] })).toEqual([]);
    expect(keysFor(page, { indexes: [index('a', 'invoices', ['tenant_id', 'issued_at DESC', 'customer_id'])] })).toEqual([
      'tenant_id, issued_at DESC, customer_id DESC',
    ]);
  });

  test("the server's spelling of an expression is the same expression", () => {
    expect(
      keysFor('SELECT * FROM invoices WHERE lower(email) = $1', { indexes: [index('a', 'invoices', ['lower(email::text)'])] }),
    ).toEqual([]);
  });

  test('the default class of jsonb answers containment too', () => {
    expect(
      keysFor('SELECT * FROM invoices WHERE details @> $1', { indexes: [index('a', 'invoices', ['details'], { method: 'gin' })] }),
    ).toEqual([]);
  });

  test('a plain index does not answer a pattern', () => {
    const indexes = [index('a', 'invoices', ['title'])];
    expect(keysFor('SELECT * FROM invoices WHERE title ILIKE $1', { indexes })).toEqual(['title gin_trgm_ops']);
  });
});

test('a table that several schemas hold is read as the one on everyone’s search path, or not at all', () => {
  const elsewhere = { ...column('invoices', 'customer_id', 'integer', 5_000), schema: 'archive' };
  const text = 'SELECT * FROM invoices WHERE customer_id = $1';
  expect(candidatesFor(text, { columns: [...facts.columns, elsewhere] }).map(({ definition }) => definition.schema)).toEqual(['public']);
  const foreign = [elsewhere, { ...elsewhere, schema: 'imports' }];
  expect(candidatesFor(text, { tables: [], columns: foreign, indexes: [] })).toEqual([]);
  expect(
    candidatesFor('SELECT * FROM archive.invoices WHERE customer_id = $1', { tables: [], columns: foreign, indexes: [] }),
  ).toHaveLength(1);
});
