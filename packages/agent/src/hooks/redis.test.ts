import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { appFile, startTarget, type Target } from '../../test/target.ts';
import { hasRedisServer, startRedisServer } from '../../test/redis-server.ts';
import type { RouteSummary } from '../protocol.ts';

function lineOf(app: string, code: string): number {
  const found = readFileSync(appFile(app), 'utf8')
    .split('\n')
    .flatMap((line, index) => (line.includes(code) ? [index + 1] : []));
  if (found.length !== 1) throw new Error(`${app} holds ${JSON.stringify(code)} ${found.length} times`);
  return found[0]!;
}

async function ask(target: Target, path: string): Promise<RouteSummary & { readonly body: unknown }> {
  const body: unknown = await (await target.get(path)).json();
  const summary = await target.flush();
  expect(summary.problems).toEqual([]);
  return { ...summary.routes.find(({ route }) => route === path)!, body };
}

const cases = ['ioredis', 'redis'].flatMap((client) => ['redis.cjs', 'redis.mjs'].map((app) => ({ client, app })));

test.skipIf(!hasRedisServer()).for(cases)('commands of $client in $app are told at their line', async ({ client, app }) => {
  await using server = await startRedisServer();
  await using target = await startTarget(app, { REDIS_URL: server.url, CLIENT: client });
  const peer = server.url.replace('redis://', '');

  const loop = await ask(target, '/loop');
  expect(loop.body).toEqual([null, null, null, null, null]);
  expect(loop.outgoing).toMatchObject([
    {
      kind: 'redis',
      peer,
      operation: 'GET',
      location: { file: appFile(app), line: lineOf(app, `// by ${client}`) },
      calls: 5,
      errors: 0,
      repeatingRequests: 1,
      distinctCallsShare: 1,
      overlappingShare: 0,
    },
  ]);
  expect(loop.redisMs).toBeCloseTo(loop.outgoing[0]!.totalMs, 6);
  expect(loop.outgoingMs).toBe(0);

  const parallel = await ask(target, '/parallel');
  expect(parallel.outgoing).toMatchObject([{ calls: 5, overlappingShare: 0.8 }]);
  expect(parallel.redisMs).toBeLessThan(parallel.outgoing[0]!.totalMs);

  const batch = await ask(target, '/batch');
  expect(batch.outgoing).toMatchObject([
    client === 'ioredis' ? { operation: 'GET', calls: 3, overlappingShare: 2 / 3 } : { operation: 'PIPELINE', calls: 1 },
  ]);

  const failing = await ask(target, '/failing');
  expect(failing.body).toEqual({ caught: expect.stringMatching(/unknown command/), unhandled: 1 });
  expect(failing.outgoing).toMatchObject([{ operation: 'NONSENSE', calls: 2, errors: 2 }]);
});
