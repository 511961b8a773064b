import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../../../test/support/test-database.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { AnnealError } from '../../../errors.ts';
import type { IndexDefinition } from '../../../ports/planner.ts';
import type { Sql } from '../../../ports/sql.ts';
import { remedyConformance } from '../../../remedy/conformance.ts';
import { indexName } from '../index-ddl.ts';
import { addIndex, createAddIndex } from './add-index.ts';
import type { AddIndexPlan } from './add-index-plan.ts';
import { trigramState } from './trigram-extension.ts';

const schemaSql = `
  CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, total numeric NOT NULL,
                       reference varchar(40), notes text, details jsonb, placed_at timestamptz NOT NULL, cancelled_at timestamptz);
  INSERT INTO orders (customer_id, status, total, reference, notes, details, placed_at)
  SELECT n % 300, (ARRAY['open', 'paid', 'sent'])[1 + n % 3], n % 97, 'Ref-' || n, 'note number ' || n || ' about pallet ' || n % 50,
         jsonb_build_object('tags', jsonb_build_array(n % 20), 'depot', n % 7), timestamptz '2026-01-01' + n * interval '1 minute'
    FROM generate_series(1, 3000) n;
  CREATE SCHEMA "Ware House";
  CREATE TABLE "Ware House"."Bin; DROP TABLE orders" ("Shelf ""No""" int, "select" text, "Größe" int, lower text);
  CREATE TABLE readings (sensor int, at timestamptz) PARTITION BY RANGE (at);
  CREATE TABLE readings_2026 PARTITION OF readings FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  ANALYZE`;

function planFor(parts: Partial<IndexDefinition> & Pick<IndexDefinition, 'keys'>, rest: Partial<AddIndexPlan> = {}): AddIndexPlan {
  const index: IndexDefinition = { schema: 'public', table: 'orders', method: 'btree', include: [], predicate: null, ...parts };
  return { index, name: indexName(index), statementIds: [], extension: null, extensionWasPresent: true, ...rest };
}

/** Everything DDL can leave behind: relations with their columns, indexes with definitions and notes, constraints, extensions, settings. */
async function observe(sql: Sql): Promise<unknown> {
  const { rows } = await sql.query(`
    SELECT 'relation' AS kind, c.oid::regclass::text AS name, c.relkind::text AS detail, obj_description(c.oid, 'pg_class') AS note
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'Ware House')
    UNION ALL
    SELECT 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), i.indisvalid::text
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'Ware House')
    UNION ALL
    SELECT 'column', attrelid::regclass::text, attname, format_type(atttypid, atttypmod)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('public', 'Ware House') AND attnum > 0
    UNION ALL
    SELECT 'constraint', conname, pg_get_constraintdef(oid), NULL FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'extension', extname, extversion, obj_description(oid, 'pg_extension') FROM pg_extension
    UNION ALL
    SELECT 'function', oid::regprocedure::text, NULL, NULL FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'setting', name, setting, NULL FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout')
    ORDER BY 1, 2, 3, 4`);
  return rows;
}

async function withDatabase(work: (database: TestDatabase, sql: Sql) => Promise<void>, extra = ''): Promise<void> {
  await using database = await createTestDatabase(schemaSql + extra);
  await using sql = await createDatabases().connect(database.url, {
    applicationName: 'anneal test',
    readOnly: false,
    statementTimeoutMs: 5000,
  });
  await work(database, sql);
}

/** The error an act ends with. */
async function failureOf(act: Promise<unknown>): Promise<AnnealError> {
  const outcome = await act.then(
    () => 'no error',
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(AnnealError);
  return outcome as AnnealError;
}

describe('every kind of index is applied and undone without a trace', () => {
  const kinds: Readonly<Record<string, AddIndexPlan>> = {
    plain: planFor({ keys: ['customer_id'] }),
    'composite with a descending key': planFor({ keys: ['customer_id', 'placed_at DESC'] }),
    'nulls on the unusual side': planFor({ keys: ['cancelled_at DESC NULLS LAST', 'id'] }),
    expression: planFor({ keys: ['lower(reference)'] }),
    'operator expression': planFor({ keys: [`(details ->> 'depot')`, 'placed_at'] }),
    partial: planFor({ keys: ['placed_at DESC'], predicate: `status = 'open' AND cancelled_at IS NULL AND total > 10` }),
    covering: planFor({ keys: ['customer_id'], include: ['status', 'total'] }),
    'prefix search': planFor({ keys: ['reference text_pattern_ops'] }),
    'JSON containment': planFor({ keys: ['details jsonb_path_ops'], method: 'gin' }),
    'containment below a path': planFor({ keys: [`(details -> 'tags') jsonb_path_ops`], method: 'gin' }),
    'trigrams, extension absent': planFor(
      { keys: ['notes public.gin_trgm_ops'], method: 'gin' },
      { extension: 'pg_trgm', extensionWasPresent: false },
    ),
    'hostile names in another schema': planFor({
      schema: 'Ware House',
      table: 'Bin; DROP TABLE orders',
      keys: ['"Shelf ""No""" DESC', '"select"', 'lower(lower)'],
      include: ['Größe'],
      predicate: `"select" <> 'a;''b'`,
    }),
  };
  let database: TestDatabase;
  let sql: Sql;
  beforeAll(async () => {
    database = await createTestDatabase(schemaSql);
    sql = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: false, lockTimeoutMs: 1234 });
  });
  afterAll(async () => {
    await sql.close();
    await database[Symbol.asyncDispose]();
  });

  test.each(Object.entries(kinds))('%s', async (_, plan) => {
    await expect(
      remedyConformance({ remedy: addIndex, plan, context: { sql, agent: null }, observe: () => observe(sql) }),
    ).resolves.toBeUndefined();
  });
});

test('an index with trigrams leaves an extension alone that was there before', () =>
  withDatabase(async (_, sql) => {
    const plan = planFor({ keys: ['notes "Ext".gin_trgm_ops'], method: 'gin' }, { extension: 'pg_trgm', extensionWasPresent: true });
    await expect(
      remedyConformance({ remedy: addIndex, plan, context: { sql, agent: null }, observe: () => observe(sql) }),
    ).resolves.toBeUndefined();
    expect(await trigramState(sql)).toMatchObject({ schema: 'Ext', installedByAnneal: false, inUse: false });
  }, '; CREATE SCHEMA "Ext"; CREATE EXTENSION pg_trgm WITH SCHEMA "Ext"'));

test('an extension that a remedy installed goes with the last index that needs it', () =>
  withDatabase(async (_, sql) => {
    const context = { sql, agent: null };
    const before = await observe(sql);
    const absent = { extension: 'pg_trgm', extensionWasPresent: false } as const;
    const notes = planFor({ keys: ['notes public.gin_trgm_ops'], method: 'gin' }, absent);
    const references = planFor({ keys: ['reference public.gin_trgm_ops'], method: 'gin' }, absent);
    await addIndex.apply(notes, context);
    await addIndex.apply(references, context);
    await addIndex.revert(notes, context);
    expect(await trigramState(sql)).toMatchObject({ installedByAnneal: true, inUse: true });
    expect(await addIndex.inspect(references, context)).toBe('present');
    await addIndex.revert(references, context);
    expect(await observe(sql)).toEqual(before);
  }));

test('an extension somebody installs after the planning is not taken from them', () =>
  withDatabase(async (database, sql) => {
    const context = { sql, agent: null };
    const plan = planFor({ keys: ['notes public.gin_trgm_ops'], method: 'gin' }, { extension: 'pg_trgm', extensionWasPresent: false });
    await database.client.query('CREATE EXTENSION pg_trgm');
    await addIndex.apply(plan, context);
    await addIndex.revert(plan, context);
    expect(await trigramState(sql)).toMatchObject({ schema: 'public', installedByAnneal: false });
    expect(await addIndex.inspect(plan, context)).toBe('absent');
  }));

test('an extension that was installed before the process died is found and removed', () =>
  withDatabase(async (_, sql) => {
    const context = { sql, agent: null };
    const before = await observe(sql);
    const plan = planFor({ keys: ['notes public.gin_trgm_ops'], method: 'gin' }, { extension: 'pg_trgm', extensionWasPresent: false });
    await addIndex.apply(plan, context);
    await sql.query(`DROP INDEX ${plan.name}`);
    expect(await addIndex.inspect(plan, context)).toBe('partial');
    await addIndex.revert(plan, context);
    expect(await observe(sql)).toEqual(before);
  }));

describe('an INVALID corpse of a build', () => {
  const plan = planFor({ keys: ['customer_id'] });

  /** A real one: the values are not unique, so the build fails in its last phase and leaves the index. */
  async function leaveCorpse(sql: Sql): Promise<void> {
    await expect(sql.query(`CREATE UNIQUE INDEX CONCURRENTLY ${plan.name} ON orders (customer_id)`)).rejects.toMatchObject({
      code: '23505',
    });
  }

  test('is partial, and apply replaces it by a valid index', () =>
    withDatabase(async (_, sql) => {
      const context = { sql, agent: null };
      const before = await observe(sql);
      await leaveCorpse(sql);
      expect(await addIndex.inspect(plan, context)).toBe('partial');
      await addIndex.apply(plan, context);
      expect(await addIndex.inspect(plan, context)).toBe('present');
      await addIndex.revert(plan, context);
      expect(await observe(sql)).toEqual(before);
    }));

  test('is removed by revert', () =>
    withDatabase(async (_, sql) => {
      const context = { sql, agent: null };
      const before = await observe(sql);
      await leaveCorpse(sql);
      await addIndex.revert(plan, context);
      expect(await addIndex.inspect(plan, context)).toBe('absent');
      expect(await observe(sql)).toEqual(before);
    }));
});

describe('locks', () => {
  const impatient = createAddIndex({ lockTimeoutMs: 300 });

  test('a build that waits says for whom, and goes on when that session ends', () =>
    withDatabase(async (database, sql) => {
      await using watching = await createDatabases().connect(database.url, { applicationName: 'anneal watching', readOnly: true });
      await using holder = await createDatabases().connect(database.url, { applicationName: 'nightly report', readOnly: false });
      await holder.query('BEGIN');
      await holder.query('UPDATE orders SET total = 1 WHERE id = 1');
      const told: string[] = [];
      const waits = Promise.withResolvers<void>();
      const report = (detail: string) => {
        told.push(detail);
        if (detail.includes('nightly report')) waits.resolve();
      };
      const plan = planFor({ keys: ['customer_id'] });
      const built = addIndex.apply(plan, { sql, watching, agent: null, report });
      await waits.promise;
      await holder.query('COMMIT');
      await built;
      expect(told.join('\n')).toMatch(/waiting for .*: session \d+ \(nightly report, idle in transaction, open \d+ s\) has to end first/u);
      expect(await addIndex.inspect(plan, { sql, agent: null })).toBe('present');
    }));
  const plan = planFor({ keys: ['customer_id'] });

  test('a table locked by somebody else ends in an error that names the session, and nothing is left', () =>
    withDatabase(async (database, sql) => {
      const context = { sql, agent: null };
      const before = await observe(sql);
      await database.client.query(`SET application_name = 'nightly import'; BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE`);
      const failure = await failureOf(impatient.apply(plan, context));
      expect(failure.code).toBe('ANNEAL_DATABASE_LOCKED');
      expect(failure.message).toMatch(
        /create an index on public\.orders waited longer than 300 ms for session \d+ \(nightly import, idle in transaction/,
      );
      await database.client.query('ROLLBACK');
      expect(await observe(sql)).toEqual(before);
    }));

  test('a build cut off by an old transaction says that its corpse stays, and revert removes it later', () =>
    withDatabase(async (database, sql) => {
      const context = { sql, agent: null };
      const before = await observe(sql);
      await database.client.query('BEGIN; UPDATE orders SET total = 0 WHERE id = 1');
      const failure = await failureOf(impatient.apply(plan, context));
      expect(failure.code).toBe('ANNEAL_ROLLBACK_INCOMPLETE');
      expect(failure.message).toContain('waited longer than 300 ms');
      expect(failure.hint).toContain(`the INVALID index public.${plan.name}`);
      expect(await addIndex.inspect(plan, context)).toBe('partial');
      await database.client.query('ROLLBACK');
      await impatient.revert(plan, context);
      expect(await observe(sql)).toEqual(before);
    }));

  test('an index that another session is building is left to it', () =>
    withDatabase(async (database, sql) => {
      const context = { sql, agent: null };
      await database.client.query('BEGIN; UPDATE orders SET total = 0 WHERE id = 1');
      await using builder = await createDatabases().connect(database.url, { applicationName: 'anneal other', readOnly: false });
      const building = addIndex.apply(plan, { sql: builder, agent: null });
      await expect.poll(() => addIndex.inspect(plan, context)).toBe('partial');
      const failure = await failureOf(impatient.revert(plan, context));
      expect(failure.code).toBe('ANNEAL_DATABASE_LOCKED');
      expect(failure.message).toContain(`which is building ${plan.name} at this moment`);
      await database.client.query('COMMIT');
      await building;
      expect(await addIndex.inspect(plan, context)).toBe('present');
    }));

  test('an interrupted build takes its corpse with it', () =>
    withDatabase(async (database, sql) => {
      const before = await observe(sql);
      const interruption = new AbortController();
      await database.client.query('BEGIN; UPDATE orders SET total = 0 WHERE id = 1');
      await using watcher = await createDatabases().connect(database.url, { applicationName: 'anneal watcher', readOnly: true });
      const building = addIndex.apply(plan, { sql, agent: null, signal: interruption.signal });
      const outcome = building.then(
        () => 'built',
        (error: unknown) => error,
      );
      await expect.poll(() => addIndex.inspect(plan, { sql: watcher, agent: null })).toBe('partial');
      interruption.abort(new Error('stop'));
      // The cleaning up waits for the same old transaction, which ends in time here.
      await expect
        .poll(
          async () =>
            (
              await watcher.query(
                `SELECT FROM pg_stat_activity WHERE query LIKE 'DROP INDEX CONCURRENTLY%' AND state = 'active' AND datname = current_database()`,
              )
            ).rowCount,
        )
        .toBe(1);
      await database.client.query('ROLLBACK');
      expect(await outcome).toMatchObject({ message: 'stop' });
      expect(await observe(sql)).toEqual(before);
    }));
});

describe('what the remedy refuses', () => {
  test('a partitioned table, because its index cannot be built concurrently', () =>
    withDatabase(async (_, sql) => {
      const before = await observe(sql);
      const failure = await failureOf(addIndex.apply(planFor({ table: 'readings', keys: ['sensor'] }), { sql, agent: null }));
      expect(failure.code).toBe('ANNEAL_REMEDY_UNSUPPORTED');
      expect(failure.message).toContain('public.readings is partitioned');
      expect(failure.hint).toContain('ATTACH PARTITION');
      expect(await observe(sql)).toEqual(before);
    }));

  test('a role that does not own the table is told so', () =>
    withDatabase(async (database, sql) => {
      const role = `reader_${database.name}`;
      await sql.query(`CREATE ROLE ${role} LOGIN PASSWORD 'reader'`);
      try {
        await sql.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
        await sql.query(`GRANT CREATE ON SCHEMA public TO ${role}`);
        const url = Object.assign(new URL(database.url), { username: role, password: 'reader' }).href;
        await using reader = await createDatabases().connect(url, { applicationName: 'anneal test', readOnly: false });
        const failure = await failureOf(addIndex.apply(planFor({ keys: ['customer_id'] }), { sql: reader, agent: null }));
        expect(failure.code).toBe('ANNEAL_DATABASE_PRIVILEGE');
        expect(failure.message).toBe(`the role ${role} may not create an index on public.orders`);
        expect(failure.hint).toContain('connect as the owner');
        const trigrams = planFor(
          { keys: ['notes public.gin_trgm_ops'], method: 'gin' },
          { extension: 'pg_trgm', extensionWasPresent: false },
        );
        expect((await failureOf(addIndex.apply(trigrams, { sql: reader, agent: null }))).message).toContain(
          'may not install the extension pg_trgm',
        );
      } finally {
        await sql.query(`DROP OWNED BY ${role}`);
        await sql.query(`DROP ROLE ${role}`);
      }
    }));

  test('a read-only session', () =>
    withDatabase(async (database) => {
      await using replica = await createDatabases().connect(database.url, { applicationName: 'anneal test', readOnly: true });
      expect((await failureOf(addIndex.apply(planFor({ keys: ['customer_id'] }), { sql: replica, agent: null }))).code).toBe(
        'ANNEAL_DATABASE_READ_ONLY',
      );
    }));

  test('to touch an index of its name that is something else', () =>
    withDatabase(async (_, sql) => {
      const context = { sql, agent: null };
      const plan = planFor({ keys: ['customer_id'] });
      await sql.query(`CREATE INDEX ${plan.name} ON orders (customer_id DESC)`);
      const before = await observe(sql);
      expect(await addIndex.inspect(plan, context)).toBe('absent');
      expect((await failureOf(addIndex.apply(plan, context))).message).toContain('already exists');
      await addIndex.revert(plan, context);
      expect(await observe(sql)).toEqual(before);
    }));
});

test('an index is recognised in whatever spelling the server gives it', () =>
  withDatabase(async (_, sql) => {
    const plan = planFor({ keys: ['lower(reference)', 'total'], predicate: `total >= 5 AND status IN ('open', 'paid')` });
    await sql.query(
      `CREATE INDEX ${plan.name} ON orders (lower((reference)::text), total) WHERE status = ANY ('{open,paid}'::text[]) IS TRUE AND total >= 5`,
    );
    expect(await addIndex.inspect(plan, { sql, agent: null })).toBe('absent');
    await sql.query(`DROP INDEX ${plan.name}`);
    await sql.query(
      `CREATE INDEX ${plan.name} ON orders (LOWER(reference),total) WHERE (total >= (5)::numeric) AND (status = ANY (ARRAY['open'::text, 'paid']))`,
    );
    expect(await addIndex.inspect(plan, { sql, agent: null })).toBe('present');
  }));

test('an index with another collation is another index', () =>
  withDatabase(async (_, sql) => {
    const plan = planFor({ keys: ['notes', 'lower(reference)'] });
    await sql.query(`CREATE INDEX ${plan.name} ON orders (notes COLLATE "C", lower(reference))`);
    expect(await addIndex.inspect(plan, { sql, agent: null })).toBe('absent');
    await sql.query(`DROP INDEX ${plan.name}`);
    await sql.query(`CREATE INDEX ${plan.name} ON orders (notes, lower(reference) COLLATE "C")`);
    expect(await addIndex.inspect(plan, { sql, agent: null })).toBe('absent');
    await sql.query(`DROP INDEX ${plan.name}`);
    await sql.query(`ALTER TABLE orders ALTER notes TYPE text COLLATE "C", ALTER reference TYPE text COLLATE "C"`);
    await sql.query(`CREATE INDEX ${plan.name} ON orders (notes, lower(reference))`);
    expect(await addIndex.inspect(plan, { sql, agent: null })).toBe('present');
  }));

test('the cost is what the built index really takes, known to a later process too', () =>
  withDatabase(async (_, sql) => {
    const context = { sql, agent: null };
    const plan = planFor({ keys: ['customer_id', 'placed_at DESC'] });
    expect(await addIndex.cost(plan, context)).toEqual({ diskBytes: 0, buildMs: 0, memoryBytes: 0, connections: 0 });
    await addIndex.apply(plan, context);
    const { rows } = await sql.query<{ size: number }>(`SELECT pg_relation_size('${plan.name}')::float8 AS size`);
    const cost = await addIndex.cost(plan, context);
    expect(cost.diskBytes).toBe(rows[0]!.size);
    expect(cost.diskBytes).toBeGreaterThan(0);
    expect(cost.buildMs).toBeGreaterThan(0);
  }));

test('the SQL it shows does and undoes the same as the remedy', () =>
  withDatabase(async (database, sql) => {
    const before = await observe(sql);
    const plan = planFor({ keys: ['notes public.gin_trgm_ops'], method: 'gin' }, { extension: 'pg_trgm', extensionWasPresent: false });
    const { up, down } = addIndex.describe(plan).sql!;
    for (const statement of up.split(/;\n?/).filter(Boolean)) await database.client.query(statement);
    expect(await addIndex.inspect(plan, { sql, agent: null })).toBe('present');
    for (const statement of down.split(/;\n?/).filter(Boolean)) await database.client.query(statement);
    expect(await observe(sql)).toEqual(before);
  }));
