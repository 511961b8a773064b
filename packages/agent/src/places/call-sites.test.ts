import { readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import type { AgentSummary, StatementSummary } from '../protocol.ts';
import { mysqlSchema, schemaSql } from '../../test/apps/schema.ts';
import { appFile, startApp, startTarget, type Target } from '../../test/target.ts';
import { mariadbIsInstalled, startMariadb } from '../../test/call-sites/mariadb.ts';
import { generatePrismaClient, openWorkshop, type Workshop } from '../../test/call-sites/build-app.ts';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await openWorkshop();
  await generatePrismaClient(workshop.folder);
});
afterAll(async () => {
  await workshop[Symbol.asyncDispose]();
});

/** The lines of each route, as the source's comments say them: `// at /route`. */
function expectedLines(app: string): Map<string, number[]> {
  const lines = new Map<string, number[]>();
  for (const [index, text] of readFileSync(`${workshop.folder}/${app}.ts`, 'utf8').split('\n').entries()) {
    const route = /\/\/ at (\/\w+)$/.exec(text)?.[1];
    if (route !== undefined) lines.set(route, [...(lines.get(route) ?? []), index + 1]);
  }
  return lines;
}

/** What a library asks for by itself, in nobody's name: Knex as it connects, postgres.js at the end of a transaction. */
const own = new Set(['select version();', 'commit']);

/** Where each route's statements were. */
function seenLines(summary: AgentSummary, file: string): Map<string, (number | string)[]> {
  return new Map(
    summary.routes.map(({ route, statements }) => {
      const places = statements.flatMap<number | string>(({ location, templateId }) => {
        if (location?.file === file) return [location.line];
        const template = summary.statementTexts.find((text) => text.templateId === templateId)?.template ?? '';
        return location === null && own.has(template) ? [] : [`${location?.file ?? 'nowhere'}: ${template}`];
      });
      return [route, [...new Set(places)].sort((one, other) => Number(one) - Number(other))];
    }),
  );
}

/** Each route once; what it answered. */
async function visit({ get }: Pick<Target, 'get'>, routes: Iterable<string>): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  for (const route of routes) {
    const response = await get(route);
    answers[route] = await response.text();
    expect([route, response.status, response.status === 200 ? '' : answers[route]]).toEqual([route, 200, '']);
  }
  return answers;
}

const onDisk = (file: string) => relative(dirname(appFile('any')), file);

const apps = [
  { app: 'pg', hooks: ['pg', 'pg-pool'] },
  { app: 'postgres-js', hooks: ['postgres'] },
  { app: 'drizzle', hooks: ['drizzle-orm', 'pg'] },
  { app: 'drizzle-postgres-js', hooks: ['drizzle-orm', 'postgres'] },
  { app: 'knex', hooks: ['knex', 'pg'] },
  { app: 'typeorm', hooks: ['typeorm', 'pg'] },
  { app: 'prisma', hooks: ['@prisma/client', 'pg'] },
];

for (const { app, hooks } of apps) {
  test(`${app}: every statement is at the line that asks for it, imported and required, as written and compiled`, async () => {
    await using database = await createTestDatabase(schemaSql);
    const { without, within, seen } = await inAllForms(app, hooks, { DATABASE_URL: database.url });
    expect(seen).toEqual([expectedLines(app), expectedLines(app)]);
    expect(within).toEqual([without, without]);
  });
}

test('every form of calling postgres.js answers, fails and throws exactly as without the agent, and none is lost', async () => {
  await using database = await createTestDatabase(schemaSql);
  const summary = await expectSameForms('postgres-js-forms', { DATABASE_URL: database.url });
  expect(countedIn(summary, 'SELECT $1::int AS n')).toEqual([{ calls: 6, errors: 0, rows: 6 }]);
  expect(countedIn(summary, 'SELECT * FROM nowhere')).toEqual([{ calls: 3, errors: 3, rows: 0 }]);
  expect(countedIn(summary, 'SELECT ? AS a; SELECT ? AS b')).toEqual([{ calls: 2, errors: 0, rows: 4 }]);
  expect(countedIn(summary, 'SELECT id FROM posts ORDER BY id LIMIT ?')).toEqual([{ calls: 4, errors: 0, rows: expect.any(Number) }]);
  expect(countedIn(summary, 'SELECT pg_sleep(?)')).toEqual([{ calls: 1, errors: 1, rows: 0 }]);
  expect(countedIn(summary, 'SELECT ?')).toEqual([{ calls: 1, errors: 0, rows: 1 }]);
});

test('postgres.js: a loop is traced to the query before it, and eight at once on three connections wait for each other', async () => {
  await using database = await createTestDatabase(schemaSql);
  await using target = await startTarget(onDisk(await workshop.asModule('postgres-js')), { DATABASE_URL: database.url });
  const summary = await visitOften(target, ['/tagged', '/parallel']);
  const list = statementLike(summary, '/tagged', /FROM posts/);
  expect(list).toMatchObject({ calls: 20, rows: 60, errors: 0, parentTemplateId: null });
  expect(statementLike(summary, '/tagged', /FROM authors/)).toMatchObject({
    calls: 60,
    rows: 60,
    repeatingRequests: 20,
    distinctParametersShare: 1,
    overlappingShare: 0,
    parentTemplateId: list.templateId,
  });
  expect(statementLike(summary, '/parallel', /FROM posts/)).toMatchObject({
    calls: 160,
    rows: 160,
    repeatingCalls: 160,
    duplicateCalls: 0,
  });
  expect(statementLike(summary, '/parallel', /FROM posts/).overlappingShare).toBeGreaterThan(0.5);
  expect(summary.routes.find(({ route }) => route === '/parallel')?.poolWaitMs).toBeGreaterThan(0);
  expect(summary.background).toEqual([]);
});

test("Knex's own pool is named by where it is made, and six at once on two connections wait for each other", async () => {
  await using database = await createTestDatabase(schemaSql);
  await using target = await startTarget(onDisk(await workshop.asModule('knex')), { DATABASE_URL: database.url });
  const summary = await visitOften(target, ['/parallel', '/transaction']);
  expect(statementLike(summary, '/parallel', /from "posts"/)).toMatchObject({ calls: 120, rows: 120, repeatingCalls: 120 });
  const [pool] = summary.pools;
  expect(pool).toMatchObject({ max: 2, checkouts: 20 * (6 + 1), waits: 20 * 4, peakInUse: 2 });
  expect(pool!.heldUs.count).toBe(20 * (6 + 1));
  expect(pool!.location).toMatchObject({ file: `${workshop.folder}/knex.ts`, line: 4 });
  expect(summary.routes.find(({ route }) => route === '/parallel')?.poolWaitMs).toBeGreaterThan(0);
});

if (!mariadbIsInstalled) process.stderr.write('SKIPPED: the call sites of mysql2, because MariaDB is not installed here\n');

test.skipIf(!mariadbIsInstalled)(
  'mysql2, in a minified bundle too, and Drizzle over it: the same against MariaDB, and what a call came to',
  async () => {
    await using mariadb = await startMariadb(mysqlSchema);
    for (const { app, hooks } of [
      { app: 'mysql2', hooks: ['mysql2'] },
      { app: 'drizzle-mysql2', hooks: ['drizzle-orm', 'mysql2'] },
    ]) {
      const { without, within, seen } = await inAllForms(app, hooks, { MYSQL_URL: mariadb.url });
      expect(seen).toEqual([expectedLines(app), expectedLines(app)]);
      expect(within).toEqual([without, without]);
    }
    const inside = await workshop.withPackages('mysql2', { format: 'cjs', sourcemap: 'linked', minify: true });
    await using bundled = await startTarget(onDisk(inside), { MYSQL_URL: mariadb.url });
    await visit(bundled, expectedLines('mysql2').keys());
    expect(seenLines(await bundled.flush(), `${workshop.folder}/mysql2.ts`)).toEqual(expectedLines('mysql2'));

    await using target = await startTarget(onDisk(await workshop.asCommonJs('mysql2')), { MYSQL_URL: mariadb.url });
    const seen = await visitOften(target, ['/query', '/parallel', '/connection']);
    const list = statementLike(seen, '/query', /FROM posts/);
    expect(list).toMatchObject({ calls: 20, rows: 100, errors: 0 });
    expect(list.receivedBytes).toBeGreaterThan(100);
    expect(statementLike(seen, '/query', /FROM authors/)).toMatchObject({ calls: 100, rows: 100, parentTemplateId: list.templateId });
    expect(statementLike(seen, '/parallel', /FROM posts/)).toMatchObject({ calls: 120, rows: 120, repeatingCalls: 120 });
    const pool = seen.pools.find(({ checkouts }) => checkouts > 0);
    // Six at once on two connections: four wait.
    expect(pool).toMatchObject({ max: 2, checkouts: 20 * (6 + 6 + 1), waits: 20 * 4, peakInUse: 2 });
    expect(pool?.location).toMatchObject({ file: `${workshop.folder}/mysql2.ts` });
    expect(pool?.heldUs.count).toBe(20 * (6 + 6 + 1));

    const smaller = { kind: 'pool-size', pool: pool!.name, max: 1 } as const;
    expect(await target.ask({ type: 'apply-policy', policyId: 'smaller', policy: smaller })).toMatchObject({ type: 'done' });
    expect((await visitOften(target, ['/parallel'])).pools).toContainEqual(
      expect.objectContaining({ max: 1, peakInUse: 1, waits: 20 * 5 }),
    );
    await target.ask({ type: 'revoke-policy', policyId: 'smaller' });
    expect((await visitOften(target, ['/parallel'])).pools).toContainEqual(
      expect.objectContaining({ max: 2, peakInUse: 2, waits: 20 * 4 }),
    );

    const summary = await expectSameForms('mysql2-forms', { MYSQL_URL: mariadb.url });
    expect(countedIn(summary, 'SELECT ? AS n')).toEqual([{ calls: 11, errors: 1, rows: 10 }]);
    expect(countedIn(summary, 'SELECT * FROM nowhere')).toEqual([{ calls: 2, errors: 2, rows: 0 }]);
    expect(countedIn(summary, 'SELEC ?')).toEqual([{ calls: 1, errors: 1, rows: 0 }]);
    expect(countedIn(summary, 'INSERT INTO authors VALUES (?, ?)')).toEqual([{ calls: 1, errors: 0, rows: 1 }]);
  },
);

/** Runs the application as a module and compiled to CommonJS, and once without the agent: what it answered, and where its statements were. */
async function inAllForms(app: string, hooks: readonly string[], env: Readonly<Record<string, string>>) {
  const routes = [...expectedLines(app).keys()];
  const plain = async () => {
    await using target = await startApp(onDisk(await workshop.asModule(app)), env, false);
    return await visit(target, routes);
  };
  const observed = async (form: 'asModule' | 'asCommonJs') => {
    await using target = await startTarget(onDisk(await workshop[form](app)), env);
    const answers = await visit(target, routes);
    const summary = await target.flush();
    expect(summary.problems).toEqual([]);
    expect(summary.hooks.map((hook) => hook.replace(/ [\d.]+$/, ''))).toEqual(expect.arrayContaining([...hooks]));
    return { answers, seen: seenLines(summary, `${workshop.folder}/${app}.ts`) };
  };
  const [without, ...forms] = await Promise.all([plain(), observed('asModule'), observed('asCommonJs')]);
  return { without, within: forms.map(({ answers }) => answers), seen: forms.map(({ seen }) => seen) };
}

/** With and without the agent; what the agent saw of it. */
async function expectSameForms(app: string, env: Readonly<Record<string, string>>): Promise<AgentSummary> {
  const file = onDisk(await workshop.asModule(app));
  await using target = await startTarget(file, env);
  await using plain = await startApp(file, env, false);
  const observed: unknown = await (await target.get('/')).json();
  expect(observed).toEqual(await (await plain.get('/')).json());
  const summary = await target.flush();
  expect(summary.problems).toEqual([]);
  expect(target.output()).toBe(plain.output());
  return summary;
}

function countedIn(summary: AgentSummary, template: string) {
  const ids = new Set(summary.statementTexts.filter((text) => text.template === template).map(({ templateId }) => templateId));
  const statements = summary.routes.flatMap((route) => route.statements).filter(({ templateId }) => ids.has(templateId));
  const sum = (of: 'calls' | 'errors' | 'rows') => statements.reduce((total, statement) => total + statement[of], 0);
  return statements.length === 0 ? [] : [{ calls: sum('calls'), errors: sum('errors'), rows: sum('rows') }];
}

/** Each route twenty times. */
async function visitOften(target: Target, routes: readonly string[]): Promise<AgentSummary> {
  for (let time = 0; time < 20; time += 1) await visit(target, routes);
  return target.flush();
}

function statementLike(summary: AgentSummary, route: string, template: RegExp): StatementSummary {
  const ids = new Set(summary.statementTexts.filter((text) => template.test(text.template)).map(({ templateId }) => templateId));
  const found = summary.routes.find((candidate) => candidate.route === route)?.statements.filter(({ templateId }) => ids.has(templateId));
  if (found?.length !== 1) throw new Error(`${found?.length ?? 0} statements like ${template} in ${route}`);
  return found[0]!;
}
