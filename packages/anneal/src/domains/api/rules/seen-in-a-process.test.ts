import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../../../../test/support/test-database.ts';
import { appFile } from '../../../../../agent/test/target.ts';
import { createAgents } from '../../../adapters/agent-listener.ts';
import type { Rule } from '../../../finding/finding.ts';
import { outcomesOf } from '../../../finding/fixtures/outcomes.ts';
import { aProbeContext } from '../../../measurement/fixtures/probe-context.ts';
import { agentProbe } from '../../../measurement/agent-probe.ts';
import type { AgentControl } from '../../../ports/agent.ts';
import { garbageCollectionPressure } from './garbage-collection-pressure.ts';
import { heapGrowth } from './heap-growth.ts';
import { identicalConcurrentRequests } from './identical-concurrent-requests.ts';
import { overFetchedColumns } from './over-fetched-columns.ts';

/** A real process under a short real load, strained in ways that the rules were not written for. */
const file = appFile('strained.mjs');
let database: TestDatabase;
let usual: Strained;

interface Strained extends AsyncDisposable {
  readonly agent: AgentControl;
  readonly address: string;
  readonly pid: number;
}

async function start(...nodeOptions: readonly string[]): Promise<Strained> {
  const agents = createAgents();
  const listener = await agents.listen();
  const child = spawn(process.execPath, [...nodeOptions, file], {
    env: {
      ...process.env,
      NODE_OPTIONS: `--conditions=@anneal/source --import=${agents.importSpecifier}`,
      ANNEAL_SOCKET: listener.socketPath,
      DATABASE_URL: database.url,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    agent: await listener.connected(20_000),
    address: `http://127.0.0.1:${line.split(' ')[1]!}`,
    pid: child.pid!,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'exit');
      await listener[Symbol.asyncDispose]();
    },
  };
}

beforeAll(async () => {
  database = await createTestDatabase(`
    CREATE TABLE manuals (id int PRIMARY KEY, title text, revision int, body text);
    INSERT INTO manuals SELECT n, 'manual ' || n, n % 7 + 1000, repeat('page ' || n || ' ', 200) FROM generate_series(1, 2000) n;`);
  usual = await start();
});

afterAll(async () => {
  await usual[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** So many clients, each asking again when it was answered, for so long or so often. `path` gets the number of the request. */
async function ask(
  { address }: Strained,
  clients: readonly ((request: number) => string)[],
  most: { readonly ms: number; readonly requests?: number },
): Promise<void> {
  const until = performance.now() + most.ms;
  let requests = 0;
  const run = async (path: (request: number) => string) => {
    while (performance.now() < until && requests < (most.requests ?? Infinity))
      await (await fetch(`${address}${path((requests += 1))}`)).arrayBuffer();
  };
  await Promise.all(clients.map(run));
}

async function outcomesUnder(rule: Rule, { agent, pid }: Strained, load: () => Promise<void>) {
  const window = await agentProbe.open(await aProbeContext({ agent, targetPid: pid, workingDirectory: dirname(file) }));
  await load();
  const { observations } = await window.close();
  return outcomesOf(rule, { ...observations, 'postgres.statements': observations['agent.statements'] ?? [] });
}

const readManual = (request: number) => `/manuals/${1 + (request % 2000)}`;
const lineOf = (code: string) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .findIndex((line) => line.includes(code)) + 1;

test('reads that a transaction holds together are worked out once for all who ask at the same time', async () => {
  const board = () => '/board';
  const clients = [...Array.from({ length: 6 }, () => board), readManual];
  const { findings, reasons } = await outcomesUnder(identicalConcurrentRequests, usual, () =>
    ask(usual, clients, { ms: 2_000, requests: 150 }),
  );
  expect(reasons).toEqual([]);
  expect(findings).toMatchObject([{ subject: { kind: 'route', route: 'GET /board' } }]);
});

test('a column that an ORM selects and a renamed, nested answer does not show is named, with the columns that it shows left alone', async () => {
  // Ten answers a second are compared with their rows, whatever is asked for.
  const { findings } = await outcomesUnder(overFetchedColumns, usual, () => ask(usual, [() => '/shelf', readManual], { ms: 4_000 }));
  expect(findings).toMatchObject([
    { subject: { route: 'GET /shelf' }, locations: [{ line: lineOf('.from(manuals)'), function: 'listShelf' }] },
  ]);
  expect(findings[0]!.evidence).toContainEqual(expect.objectContaining({ label: 'columns that no answer shows', value: 'body' }));
});

test('listeners that are added with every request and never taken off are found where what they hold is allocated', async () => {
  const watch = (request: number) => `/watch?share=${request}`;
  const { findings, reasons } = await outcomesUnder(heapGrowth, usual, async () => {
    for (let round = 0; round < 5; round += 1) {
      await ask(usual, [watch, watch, readManual], { ms: 1_000, requests: 40 });
      await ask(usual, [() => '/collected'], { ms: 1_000, requests: 1 });
    }
  });
  expect(reasons).toEqual([]);
  // After a time with many collections it is asked who allocates, and not who keeps: then nobody is named.
  expect(findings.map(({ subject }) => subject.key)).toEqual([expect.stringMatching(/#subscribe$|^the heap$/)]);
});

/** Shares of the clock's time: a machine that gives a process a third of it says nothing of them, so this is not part of every run. */
test.runIf(process.env['ANNEAL_THOROUGH'] !== undefined)(
  'what lives just long enough to grow old is found where it is allocated, or the machine was too busy with others to tell',
  async () => {
    const words = (request: number) => `/words?text=${request}`;
    // Little memory for what is young: as many collections in seconds as make their share certain.
    await using small = await start('--max-semi-space-size=1');
    await small.agent.flush();
    await ask(small, [words, words], { ms: 1_500, requests: 30 });
    const clients = [words, words, readManual];
    const { findings, reasons } = await outcomesUnder(garbageCollectionPressure, small, () =>
      ask(small, clients, { ms: 3_000, requests: 100 }),
    );
    const told = [...findings.map(({ subject }) => subject.key), ...reasons];
    expect(told).toEqual([expect.stringMatching(/indexWords|the machine gave the process/)]);
  },
);
