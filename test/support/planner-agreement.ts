import type { IndexDefinition, IndexSize, PlanNode, ShadowPlanner } from '../../packages/anneal/src/ports/planner.ts';
import { indexSql } from '../../packages/anneal/src/ports/index-sql.ts';
import { indexNamesIn } from '../../packages/anneal/src/adapters/explain-statement.ts';

/** Enough of `pg.Client` to arrange and to ask. */
export interface Client {
  query(text: string): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
}

/**
 * A shop's warehouse with one of everything a schema may hold, about 60 MB: skew, correlation, nulls, wide rows,
 * partitions, enums, domains, generated columns, arrays, documents, ranges, every access method and extended statistics.
 */
export const warehouseSql = warehouseOf(1);

/** The same with a share of the rows, where nothing is measured by them. */
export function warehouseOf(share: number): string {
  const rows = (number: number) => Math.round(number * share);
  return `
  SET search_path = public;
  SELECT setseed(0.25);
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE EXTENSION IF NOT EXISTS citext;
  CREATE TYPE order_state AS ENUM ('open', 'paid', 'sent', 'returned');
  CREATE DOMAIN money_amount AS numeric(12,2) CHECK (VALUE >= 0);
  CREATE FUNCTION initials(name text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(left(name, 2))';

  CREATE TABLE customers (id int PRIMARY KEY, email citext NOT NULL, name text NOT NULL, country char(2) NOT NULL, born date, notes text);
  INSERT INTO customers SELECT n, 'user' || n || '@shop.example', md5(n::text), (ARRAY['DE','FR','US','IT','AT'])[1 + floor(5 * random() ^ 3)::int],
    CASE WHEN n % 7 = 0 THEN NULL ELSE date '1950-01-01' + (random() * 20000)::int END, repeat('n', n % 90) FROM generate_series(1, ${rows(30_000)}) n;

  CREATE TABLE products (id int PRIMARY KEY, sku text NOT NULL, name text NOT NULL, price money_amount NOT NULL, stock int NOT NULL,
    tags text[] NOT NULL, attributes jsonb NOT NULL, name_lower text GENERATED ALWAYS AS (lower(name)) STORED);
  INSERT INTO products (id, sku, name, price, stock, tags, attributes) SELECT n, 'SKU-' || n, 'Product ' || md5((n % 900)::text), (random() ^ 4 * 900)::numeric(12,2), n % 50,
    ARRAY['tag' || n % 40, 'tag' || n % 7], jsonb_build_object('color', 'c' || n % 12, 'size', n % 9) FROM generate_series(1, ${rows(6_000)}) n;

  CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, state order_state NOT NULL,
    placed_at timestamptz NOT NULL, total money_amount NOT NULL, coupon text, warehouse int NOT NULL, region int NOT NULL);
  INSERT INTO orders SELECT n, 1 + floor(${rows(30_000)} * random() ^ 2)::int, (ARRAY['sent','paid','open','returned'])[1 + floor(4 * random() ^ 4)::int]::order_state,
    timestamptz '2025-01-01' + n * interval '3 minutes', (random() * 500)::numeric(12,2), CASE WHEN n % 20 = 0 THEN 'C' || n % 300 END,
    n % 12, (n % 12) / 3 FROM generate_series(1, ${rows(150_000)}) n;

  CREATE TABLE order_lines (order_id bigint NOT NULL REFERENCES orders, line int NOT NULL, product_id int NOT NULL REFERENCES products,
    quantity int NOT NULL, price numeric(12,2) NOT NULL, PRIMARY KEY (order_id, line));
  INSERT INTO order_lines SELECT 1 + n / 3, n % 3, 1 + floor(${rows(6_000)} * random() ^ 3)::int, 1 + n % 9, (random() * 90)::numeric(12,2) FROM generate_series(0, ${rows(400_000) - 1}) n;

  CREATE TABLE readings (device int NOT NULL, taken_at timestamptz NOT NULL, value float8, payload text) PARTITION BY RANGE (taken_at);
  CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM ('2025-01-01') TO ('2025-04-01');
  CREATE TABLE readings_2 PARTITION OF readings FOR VALUES FROM ('2025-04-01') TO ('2025-07-01');
  CREATE TABLE readings_3 PARTITION OF readings FOR VALUES FROM ('2025-07-01') TO ('2026-01-01');
  INSERT INTO readings SELECT n % 500, timestamptz '2025-01-01' + n * interval '4 minutes', random() * 100, repeat('p', 20 + n % 40) FROM generate_series(0, ${rows(120_000)}) n;

  CREATE TABLE bookings (id uuid PRIMARY KEY, room int NOT NULL, during tstzrange NOT NULL, guest text COLLATE "C" NOT NULL, origin inet);
  INSERT INTO bookings SELECT md5(n::text)::uuid, n % 300, tstzrange(timestamptz '2025-01-01' + n * interval '30 minutes', timestamptz '2025-01-01' + n * interval '30 minutes' + interval '2 days'),
    md5((n % 5000)::text), ('10.0.' || n % 250 || '.' || n % 200)::inet FROM generate_series(1, ${rows(40_000)}) n;

  CREATE INDEX orders_open ON orders (placed_at) WHERE state = 'open';
  CREATE INDEX orders_placed_brin ON orders USING brin (placed_at);
  CREATE INDEX products_tags ON products USING gin (tags);
  CREATE INDEX products_name_trgm ON products USING gin (name gin_trgm_ops);
  CREATE INDEX bookings_during ON bookings USING gist (during);
  CREATE INDEX bookings_guest ON bookings USING hash (guest);
  CREATE INDEX customers_initials ON customers (initials(name));
  CREATE INDEX readings_device ON readings (device, taken_at);
  CREATE STATISTICS orders_places (ndistinct, dependencies) ON warehouse, region FROM orders;
  CREATE VIEW large_orders AS SELECT id, customer_id, total FROM orders WHERE total > 400`;
}

function define(table: string, keys: readonly string[], rest: Partial<IndexDefinition> = {}): IndexDefinition {
  return { schema: 'public', table, keys, method: 'btree', include: [], predicate: null, ...rest };
}

/** Sets of indexes; every statement is planned under every set. */
export const indexSets: Readonly<Record<string, readonly IndexDefinition[]>> = {
  'no candidate': [],
  'single columns': [
    define('orders', ['customer_id']),
    define('orders', ['placed_at']),
    define('order_lines', ['product_id']),
    define('customers', ['country']),
    define('customers', ['born']),
    define('products', ['price']),
    define('readings', ['taken_at']),
  ],
  'several columns and order': [
    define('orders', ['customer_id', 'placed_at DESC']),
    define('orders', ['state', 'total']),
    define('order_lines', ['product_id'], { include: ['quantity', 'price'] }),
    define('customers', ['country', 'born DESC NULLS LAST']),
    define('orders', ['warehouse', 'region']),
    define('products', ['stock', 'price']),
  ],
  'partial, expression and inverted': [
    define('orders', ['customer_id'], { predicate: "state = 'open'" }),
    define('orders', ['coupon'], { predicate: 'coupon IS NOT NULL' }),
    define('customers', ['lower(name)']),
    define('products', ['attributes jsonb_path_ops'], { method: 'gin' }),
    define('bookings', ['room']),
    define('readings', ['device'], { predicate: 'value > 99' }),
    define('orders', ['total'], { method: 'brin' }),
    define('order_lines', ['product_id'], { method: 'hash' }),
  ],
};

/** Statements of many shapes. Values stand in the text, because that is what both planners see of captured parameters. */
export const warehouseStatements: readonly string[] = [
  'SELECT * FROM orders WHERE id = 4711',
  'SELECT * FROM orders WHERE customer_id = 17',
  'SELECT * FROM orders WHERE customer_id = 29000 ORDER BY placed_at DESC LIMIT 10',
  "SELECT * FROM orders WHERE state = 'open' AND placed_at > '2025-11-01'",
  "SELECT count(*) FROM orders WHERE state = 'returned' AND total > 450",
  "SELECT * FROM orders WHERE state = 'open' AND customer_id = 5",
  "SELECT * FROM orders WHERE coupon = 'C40'",
  'SELECT * FROM orders WHERE customer_id IN (1, 500, 9000, 25000)',
  "SELECT * FROM orders WHERE placed_at BETWEEN '2025-03-01' AND '2025-03-03'",
  'SELECT * FROM orders ORDER BY placed_at DESC LIMIT 20',
  'SELECT * FROM orders ORDER BY total LIMIT 5',
  'SELECT warehouse, region, count(*) FROM orders GROUP BY warehouse, region',
  'SELECT * FROM orders WHERE warehouse = 3 AND region = 1',
  'SELECT customer_id, sum(total) FROM orders GROUP BY customer_id ORDER BY 2 DESC LIMIT 10',
  "SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.country = 'AT' AND o.total > 480",
  "SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.email = 'user77@shop.example'",
  'SELECT o.id, sum(l.quantity * l.price) FROM orders o JOIN order_lines l ON l.order_id = o.id WHERE o.customer_id = 120 GROUP BY o.id',
  'SELECT l.* FROM order_lines l WHERE l.product_id = 5900',
  'SELECT l.product_id, sum(l.quantity) FROM order_lines l WHERE l.product_id BETWEEN 4000 AND 4100 GROUP BY l.product_id',
  'SELECT p.name, sum(l.quantity) FROM products p JOIN order_lines l ON l.product_id = p.id WHERE p.stock = 3 AND p.price < 5 GROUP BY p.name',
  'SELECT * FROM products p WHERE NOT EXISTS (SELECT FROM order_lines l WHERE l.product_id = p.id)',
  'SELECT * FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND o.total > 499)',
  'SELECT count(*) FROM order_lines',
  "SELECT * FROM customers WHERE country = 'IT' ORDER BY born DESC NULLS LAST LIMIT 20",
  "SELECT * FROM customers WHERE born < '1952-01-01'",
  'SELECT * FROM customers WHERE born IS NULL',
  "SELECT * FROM customers WHERE lower(name) = 'abcdef'",
  "SELECT * FROM customers WHERE initials(name) = 'A0'",
  "SELECT * FROM products WHERE tags @> ARRAY['tag5']",
  `SELECT * FROM products WHERE attributes @> '{"color": "c3"}'`,
  "SELECT * FROM products WHERE name ILIKE '%4b3%'",
  "SELECT * FROM products WHERE name_lower = 'product x'",
  'SELECT * FROM products WHERE price > 800 OR stock = 49',
  "SELECT * FROM readings WHERE device = 12 AND taken_at > '2025-06-01' ORDER BY taken_at LIMIT 50",
  "SELECT avg(value) FROM readings WHERE taken_at >= '2025-05-01' AND taken_at < '2025-05-08'",
  'SELECT * FROM readings WHERE device = 7 AND value > 99',
  "SELECT * FROM bookings WHERE during && tstzrange('2025-02-01', '2025-02-02')",
  "SELECT * FROM bookings WHERE guest = 'c4ca4238a0b923820dcc509a6f75849b'",
  'SELECT * FROM bookings WHERE room = 12 AND guest > $$f$$',
  'SELECT total FROM large_orders WHERE customer_id = 3',
  'SELECT DISTINCT customer_id FROM orders WHERE warehouse = 2',
  "UPDATE orders SET coupon = 'X' WHERE customer_id = 9",
  'DELETE FROM order_lines WHERE product_id = 3',
  'SELECT rank() OVER (PARTITION BY country ORDER BY born), name FROM customers',
  'SELECT a.id FROM orders a JOIN orders b ON b.customer_id = a.customer_id AND b.id <> a.id WHERE a.id = 99',
  'WITH recent AS (SELECT * FROM orders WHERE placed_at > $$2025-11-05$$) SELECT r.id, c.name FROM recent r JOIN customers c ON c.id = r.customer_id',
];

export interface Agreement {
  readonly set: string;
  readonly statement: string;
  readonly realCost: number;
  readonly shadowCost: number;
  /** Names of existing indexes and definitions of candidates that the plan reads. */
  readonly realIndexes: readonly string[];
  readonly shadowIndexes: readonly string[];
  readonly realShape: string;
  readonly shadowShape: string;
}

export function sameIndexes({ realIndexes, shadowIndexes }: Agreement): boolean {
  return realIndexes.join('\n') === shadowIndexes.join('\n');
}

export function costRatio({ realCost, shadowCost }: Agreement): number {
  return shadowCost / realCost;
}

export function agrees(agreement: Agreement): boolean {
  return sameIndexes(agreement) && Math.abs(costRatio(agreement) - 1) <= 0.05;
}

/** What the server says with the indexes really built; each set is built in a transaction that is rolled back. */
export interface RealPlans {
  readonly set: string;
  readonly plans: readonly { readonly cost: number; readonly indexes: readonly string[]; readonly shape: string }[];
  /** As they were built. */
  readonly sizes: readonly IndexSize[];
}

/** `generic`: statements with `$n`, planned without values. */
export async function planForReal(client: Client, statements: readonly string[], generic = false): Promise<readonly RealPlans[]> {
  const answers: RealPlans[] = [];
  await client.query('CREATE EXTENSION IF NOT EXISTS pageinspect');
  for (const [set, definitions] of Object.entries(indexSets)) {
    await client.query('BEGIN');
    await client.query('SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; SET LOCAL search_path = public');
    const names = new Map<string, string>();
    const sizes: IndexSize[] = [];
    for (const [at, definition] of definitions.entries()) {
      await client.query(indexSql(definition, { name: `candidate_${at}` }));
      const { rows } = await client.query(
        `SELECT c.relname AS name, c.relkind AS kind, pg_relation_size(c.oid) / 8192 AS pages, c.reltuples AS rows, c.oid::regclass::text AS self
           FROM pg_partition_tree('candidate_${at}'::regclass) t JOIN pg_class c ON c.oid = t.relid
         UNION ALL SELECT relname, relkind, pg_relation_size(oid) / 8192, reltuples, oid::regclass::text FROM pg_class
          WHERE oid = 'candidate_${at}'::regclass AND relkind = 'i' AND NOT relispartition`,
      );
      for (const { name } of rows) names.set(name as string, indexSql(definition));
      const leaf = rows.findLast(({ kind }) => kind === 'i')!;
      sizes.push({
        pages: Number(leaf['pages']),
        rows: Number(leaf['rows']),
        height: await heightOf(client, definition, leaf['self'] as string),
      });
    }
    const plans = [];
    for (const statement of statements) {
      const { rows } = await client.query(`EXPLAIN (${generic ? 'GENERIC_PLAN, ' : ''}FORMAT JSON) ${statement}`);
      const root = (rows[0]!['QUERY PLAN'] as readonly [{ readonly Plan: PlanNode }])[0].Plan;
      const indexes = [...new Set(indexNamesIn(root).map((name) => names.get(name) ?? name))].toSorted();
      plans.push({ cost: root['Total Cost'], indexes, shape: shapeOf(root) });
    }
    await client.query('ROLLBACK');
    answers.push({ set, plans, sizes });
  }
  return answers;
}

async function heightOf(client: Client, { method }: IndexDefinition, name: string): Promise<number> {
  if (method !== 'btree') return 0;
  const { rows } = await client.query(`SELECT fastlevel FROM bt_metap('${name}')`);
  return Number(rows[0]!['fastlevel']);
}

/** Asks the shadow the same and sets the answers side by side. */
export async function compareWithShadow(
  shadow: ShadowPlanner,
  statements: readonly string[],
  real: readonly RealPlans[],
  generic = false,
): Promise<readonly Agreement[]> {
  const agreements: Agreement[] = [];
  for (const { set, plans } of real) {
    const definitions = indexSets[set]!;
    const answer = await shadow.whatIf(
      statements.map((text) => ({ text, values: generic ? null : [] })),
      definitions,
    );
    for (const [at, statement] of statements.entries()) {
      const root = answer.plans[at]?.root;
      const existing = root === undefined ? [] : indexNamesIn(root).filter((name) => !name.startsWith('anneal_what_if_'));
      const used = answer.uses[at]!.map((position) => indexSql(definitions[position]!));
      agreements.push({
        set,
        statement,
        realCost: plans[at]!.cost,
        shadowCost: root?.['Total Cost'] ?? Number.NaN,
        realIndexes: plans[at]!.indexes,
        shadowIndexes: [...new Set([...existing, ...used])].toSorted(),
        realShape: plans[at]!.shape,
        shadowShape: root === undefined ? 'no plan' : shapeOf(root),
      });
    }
  }
  return agreements;
}

/** Sizes as they were really built, for a shadow whose own planning is to be judged and not its size model. */
export function realSizes(real: readonly RealPlans[]): (definition: IndexDefinition) => IndexSize | null {
  const sizes = new Map(real.flatMap(({ set, sizes: built }) => built.map((size, at) => [indexSql(indexSets[set]![at]!), size] as const)));
  return (definition) => sizes.get(indexSql(definition)) ?? null;
}

function shapeOf(node: PlanNode): string {
  const target = node['Index Name'] ?? node['Relation Name'];
  const children = (node.Plans ?? []).map(shapeOf).join(', ');
  return `${node['Node Type']}${target === undefined ? '' : ` ${target}`}${children === '' ? '' : ` (${children})`}`;
}
