import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { schemaSql } from '../../packages/agent/test/apps/schema.ts';
import { startApp, startTarget, type Runtime } from '../../packages/agent/test/target.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../packages/anneal/src/adapters/embedded-postgres.ts';
import { fetchNode, nodeVersions, type NodeVersion } from './other-versions.ts';

/** What is built, because an older Node cannot run the sources. */
const root = join(import.meta.dirname, '../..');
const agent = join(root, 'packages/agent/dist/agent.js');
const cli = join(root, 'packages/anneal/dist/cli/main.js');

const isAsked = process.env['ANNEAL_THOROUGH'] !== undefined;
if (!isAsked) process.stderr.write('skipped: the built agent and command line under each Node; make test-node-versions runs it\n');

let nodes: Readonly<Record<NodeVersion, string>>;
let server: EmbeddedPostgres;
beforeAll(async () => {
  if (!isAsked) return;
  nodes = await fetchNode();
  server = await startEmbeddedPostgres();
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(`${schemaSql} CREATE EXTENSION pg_stat_statements; ANALYZE`);
  await client.end();
}, 600_000);
afterAll(() => server?.stop());

/** As a user's shell runs it, without what our own tests set. */
async function command(version: NodeVersion, ...args: readonly string[]) {
  const env = { PATH: process.env['PATH'], NO_COLOR: '1' };
  try {
    return { exitCode: 0, ...(await promisify(execFile)(nodes[version], [cli, ...args], { env })) };
  } catch (error) {
    const { code, stdout, stderr } = error as { readonly code: number; readonly stdout: string; readonly stderr: string };
    return { exitCode: code, stdout, stderr };
  }
}
const runtimeOf = (version: NodeVersion): Runtime => ({ node: nodes[version], agent });
const tooOld = '20.20.2';

describe.skipIf(!isAsked).each(nodeVersions.filter((version) => version !== tooOld))('Node %s', (version) => {
  afterAll(() => process.stdout.write(`Node ${version}: observes CommonJS and ES modules, follows a policy, runs the command line\n`));

  test.each([
    ['express.cjs', 'CommonJS', '/sequential', /FROM authors/u, 10],
    ['fastify.mjs', 'an ES module', '/posts/:id', /FROM posts/u, 1],
  ] as const)('%s, %s, is observed to its lines', async (app, _kind, route, template, calls) => {
    await using target = await startTarget(app, { DATABASE_URL: server.url }, runtimeOf(version));
    expect(target.hello).toMatchObject({ nodeVersion: `v${version}`, hooks: expect.arrayContaining(['node:http', 'pg 8.23.1']) });
    for (let request = 0; request < 5; request += 1) await (await target.get(route.replace(':id', '7'))).text();
    const { routes, statementTexts, problems } = await target.flush();
    const ids = new Set(statementTexts.filter((text) => template.test(text.template)).map(({ templateId }) => templateId));
    const seen = routes.find((each) => each.route === route)!;
    const statement = seen.statements.find(({ templateId }) => ids.has(templateId));
    expect(seen.requests).toBe(5);
    expect(statement).toMatchObject({ calls: 5 * calls, location: { file: expect.stringMatching(new RegExp(`/${app}$`, 'u')) } });
    expect(problems).toEqual([]);
    expect(await target.finish()).toBe(0);
  });

  test('a policy is followed and given back', async () => {
    await using target = await startTarget('express.cjs', { DATABASE_URL: server.url, POOL_MAX: '1' }, runtimeOf(version));
    await (await target.get('/held')).text();
    const [pool] = (await target.flush()).pools;
    const policy = { kind: 'pool-size', pool: pool!.name, max: 8 } as const;
    expect(await target.ask({ type: 'apply-policy', policyId: 'bigger', policy })).toMatchObject({ type: 'done' });
    expect(await (await target.get('/state')).json()).toMatchObject({ max: 8 });
    expect(await target.ask({ type: 'revoke-policy', policyId: 'bigger' })).toMatchObject({ type: 'done' });
    expect(await (await target.get('/state')).json()).toMatchObject({ max: 1 });
  });

  test('the command line helps and checks a database', async () => {
    expect(await command(version, '--help')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('Usage: anneal'), stderr: '' });
    const checked = await command(version, 'check', 'database', '--json', '--quiet', '--database-url', server.url);
    expect(checked).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(checked.stdout)).toMatchObject({ gaps: [], database: { version: expect.stringMatching(/^PostgreSQL 18/u) } });
  });
});

describe.skipIf(!isAsked)(`Node ${tooOld}, older than what is supported`, () => {
  afterAll(() => process.stdout.write(`Node ${tooOld}: refused in one sentence, and the application runs as if nothing had been asked\n`));

  test('the agent says that it does nothing, and the application runs', async () => {
    const env = { DATABASE_URL: server.url, ANNEAL_SOCKET: '/nonexistent/anneal/socket' };
    await using app = await startApp('express.cjs', env, true, runtimeOf(tooOld));
    expect((await app.get('/authors/1')).status).toBe(200);
    expect(app.output()).toContain('@anneal/agent observes nothing: it needs Node 22.19 or later');
  });

  test('the command line says which Node it needs', async () => {
    const refusal = `Anneal needs Node 22.19 or later, and this is v${tooOld}.\n`;
    expect(await command(tooOld, '--help')).toEqual({ exitCode: 2, stdout: '', stderr: refusal });
  });
});
