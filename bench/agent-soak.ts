/**
 * Whether the agent's memory grows: one Fastify server on PostgreSQL at saturation, observed, and asked for
 * its summary every second as Anneal does. The heap is read after full collections; what it grows by from the first tenth
 * of the time to its end is the agent's leak, or the application's.
 *
 *     node --conditions=@anneal/source bench/agent-soak.ts [--minutes 10]
 */

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createAgents } from '../packages/anneal/src/adapters/agent-listener.ts';
import { startEmbeddedPostgres } from '../packages/anneal/src/adapters/embedded-postgres.ts';
import { seedAuthorsAndPosts } from './agent-database.ts';
import type { Account, Order } from './agent-target.ts';
import { writeBenchResults } from './result-table.ts';

const samples = 10;
const largestGrowthMb = 5;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new RangeError('--minutes is a length of time');

await using postgres = await startEmbeddedPostgres({ settings: { fsync: 'off' } });
await seedAuthorsAndPosts(postgres.url);
const agents = createAgents();
await using listener = await agents.listen();
const targetFile = fileURLToPath(new URL('./agent-target.ts', import.meta.url));
const server = fork(targetFile, ['server'], {
  execArgv: [...process.execArgv, '--expose-gc', '--import', agents.importSpecifier],
  env: { ...process.env, ANNEAL_SOCKET: listener.socketPath, DATABASE_URL: postgres.url },
});
const generator = fork(targetFile, ['load']);
try {
  const [url] = (await once(server, 'message')) as [string];
  const agent = await listener.connected(10_000);
  const sampleMs = (minutes * 60_000) / samples;
  const heapMb: number[] = [];
  const problems = new Set<string>();
  let requestsBefore = 0;
  for (let sample = 1; sample <= samples; sample += 1) {
    const loaded = once(generator, 'message');
    generator.send({ url: `${url}${sample % 2 === 0 ? '/one' : '/eleven'}`, durationMs: sampleMs } satisfies Order);
    const until = performance.now() + sampleMs;
    while (performance.now() < until) {
      await sleep(Math.min(1000, Math.max(until - performance.now(), 0)));
      for (const problem of (await agent.flush()).problems) problems.add(problem);
    }
    await loaded;
    const account = await accountOf(server);
    heapMb.push(account.heapUsedBytes / 1e6);
    console.error(
      `${((sample * sampleMs) / 60_000).toFixed(1)} min: heap ${(account.heapUsedBytes / 1e6).toFixed(2)} MB, ` +
        `resident ${(account.residentBytes / 1e6).toFixed(0)} MB, ${Math.round(((account.requests - requestsBefore) * 1000) / sampleMs)} requests/s`,
    );
    requestsBefore = account.requests;
  }
  for (const problem of problems) console.error(`the agent says: ${problem}`);
  await writeBenchResults('soak', [
    {
      name: `heap growth from minute ${Number((minutes / samples).toFixed(2))} to ${minutes}, observing ${requestsBefore} requests`,
      value: heapMb.at(-1)! - heapMb[0]!,
      unit: 'MB',
      target: `<= ${largestGrowthMb}`,
      peers: {},
    },
  ]);
} finally {
  const gone = [server, generator].map((child) => once(child, 'exit'));
  server.kill();
  generator.kill();
  await Promise.all(gone);
}

async function accountOf(child: ChildProcess): Promise<Account> {
  child.send('account');
  return ((await once(child, 'message')) as [Account])[0];
}
