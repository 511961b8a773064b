import { expect, test } from 'vitest';
import { createTestDatabase } from '../../../../test/support/test-database.ts';
import { schemaSql } from '../../../agent/test/apps/schema.ts';
import { appFile, startApp } from '../../../agent/test/target.ts';
import { createAgents } from '../adapters/agent-listener.ts';
import { agentProbe } from './agent-probe.ts';
import { aProbeContext } from './fixtures/probe-context.ts';

async function observe(app: string, env: Readonly<Record<string, string>>, paths: readonly string[]) {
  await using listener = await createAgents().listen();
  await using running = await startApp(app, { ...env, ANNEAL_SOCKET: listener.socketPath });
  const agent = await listener.connected(10_000);
  const folder = appFile('').replace(/\/apps\/$/, '');
  // Before the window: must not be in the reading.
  await (await running.get(paths[0]!)).text();
  const window = await agentProbe.open(await aProbeContext({ agent, workingDirectory: folder }));
  for (const path of paths) await (await running.get(path)).text();
  return await window.close();
}

test('a window becomes observations: routes, statements by fingerprint, places relative to the target', async () => {
  await using database = await createTestDatabase(schemaSql);
  const { observations, samples, gaps, problems } = await observe('express.cjs', { DATABASE_URL: database.url }, [
    '/sequential',
    '/sequential',
    '/authors/3',
    '/duplicate',
  ]);
  expect(gaps).toEqual([]);
  expect(problems).toEqual([]);
  expect(observations['agent.runtime']).toMatchObject({ nodeVersion: process.version });
  expect(observations['agent.pools']).toMatchObject([{ max: 4, checkouts: 2 * 11 + 1 + 4, waits: 0, waitMs: 0 }]);
  expect(observations['agent.profile']).toMatchObject({ intervalUs: 10_000 });

  const routes = observations['agent.routes']!;
  expect(routes.map(({ route, requests }) => [route, requests])).toEqual([
    ['/sequential', 2],
    ['/authors/:id', 1],
    ['/duplicate', 1],
  ]);
  const [list, loop] = routes[0]!.statements;
  expect(loop).toMatchObject({ calls: 20, repeatingRequests: 2, parentStatementId: list!.statementId });
  expect(loop!.location).toMatchObject({ file: 'apps/express.cjs' });

  const statements = observations['agent.statements']!;
  const byName = statements.find(({ id }) => id === loop!.statementId);
  expect(byName).toMatchObject({
    text: 'SELECT name FROM authors WHERE id = $1',
    kind: 'select',
    tables: ['authors'],
    calls: 20,
    rows: 20,
    source: 'client',
    routes: ['GET /sequential'],
    locations: [loop!.location],
  });
  // Ten author ids are asked for, and each sample can be explained as it was sent.
  const asked = samples!.get(loop!.statementId)!;
  expect(asked).toHaveLength(5);
  expect(asked[0]).toMatchObject({ text: 'SELECT name FROM authors WHERE id = $1', values: [8] });
  // Two texts that differ in a literal are one statement, without the literal.
  const titles = statements.filter(({ text }) => text.includes('title ='));
  expect(titles).toMatchObject([{ calls: 2, text: 'SELECT id FROM posts WHERE title = $1' }]);
});

test('what requests ask of other services is told by route, with places relative to the target', async () => {
  const { observations } = await observe('services.mjs', {}, ['/app/loop', '/app/loop', '/app/fan-out']);
  const routes = observations['agent.routes']!;
  const [loop] = routes.find(({ route }) => route === '/app/loop')!.outgoing;
  expect(loop).toMatchObject({
    kind: 'http',
    operation: 'GET /users/:id',
    location: { file: 'apps/services.mjs', function: '/loop' },
    calls: 8,
    requests: 2,
    repeatingCalls: 8,
    withoutTimeout: 8,
    parentStatement: null,
  });
  const fanOut = routes.find(({ route }) => route === '/app/fan-out')!;
  expect(fanOut.outgoing).toMatchObject([{ calls: 4, overlappingShare: 0.75, withoutTimeout: 0 }]);
  expect(fanOut.outgoingMs).toBeLessThanOrEqual(fanOut.totalMs);
});

test('that other processes of a cluster serve as well is said with the figures of the one', async () => {
  await using listener = await createAgents().listen();
  await using _ = await startApp('cluster.cjs', { ANNEAL_SOCKET: listener.socketPath });
  const agent = await listener.connected(10_000);
  await expect.poll(() => agent.othersUnseen()).toBe(2);
  const { problems, observations } = await (await agentProbe.open(await aProbeContext({ agent }))).close();
  expect(observations['agent.runtime']).toMatchObject({ otherProcesses: 2, hooks: ['node:http'] });
  expect(problems).toEqual([expect.stringMatching(/^agent: 2 other processes of the target served as well/)]);
});

test('what the target does not have is a gap with its reason', async () => {
  const { observations, gaps } = await observe('bare.mjs', {}, ['/things/1']);
  expect(observations['agent.routes']).toMatchObject([{ route: '/things/:id', requests: 1 }]);
  expect(gaps.map(({ capability }) => capability)).toEqual(['agent.pools', 'agent.statements']);
  const alone = await (await agentProbe.open(await aProbeContext())).close();
  expect(alone.observations).toEqual({});
  expect(alone.gaps.map(({ capability }) => capability)).toEqual(agentProbe.provides);
});
