import { execFileSync } from 'node:child_process';
import { mkdir, mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { expect, test } from 'vitest';
import { createOutside } from '../adapters/outside.ts';
import { aMeasurement } from '../finding/fixtures/observations.ts';
import type { Finding } from '../finding/finding.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { silentProgress } from '../ports/progress.ts';
import { aScenario, aWorkload } from '../workload/fixtures/workloads.ts';
import type { Bench } from './compare-arms.ts';
import { nominalLevelFor, shortLooks } from './decide.ts';
import type { LedgerEvent } from './events.ts';
import { outstandingOf } from './outstanding.ts';
import { planPatches } from './patch-changes.ts';
import { patchedWorkingDirectory } from './tree-copy.ts';
import { tryPatches, type PatchOutcome } from './try-patches.ts';

const outside = await createOutside();

const server = `const answer = 'one';
require('node:http').createServer((request, response) => response.end(answer)).listen(process.env.PORT, '127.0.0.1');
`;

/** Runs the patches of this source on a tree of its own; what became of each, in their order, and what is left. */
async function tried(source: string, changed: readonly string[], { turns = changed.length, run = 'patches' } = {}) {
  await using place = await mkdtempDisposable(join(tmpdir(), 'anneal-try-patches-'));
  const [root, folder] = [join(place.path, 'tree'), join(place.path, 'run')];
  await mkdir(root);
  await mkdir(folder);
  await writeFile(join(root, 'app.js'), source);
  for (const args of [
    ['init', '-q'],
    ['add', '-A'],
  ])
    execFileSync('git', args, { cwd: root });
  await using ledger = await openLedger<LedgerEvent>(outside, join(place.path, 'ledger.jsonl'));
  const target = {
    name: 'tiny',
    startCommand: 'exec node app.js',
    workingDirectory: root,
    env: {},
    portVariable: 'PORT',
    readyPath: '/',
    readyTimeoutMs: 20_000,
    database: null,
  };
  const bench: Bench = {
    context: { outside, ledger, run, target, signal: new AbortController().signal, progress: silentProgress },
    workload: aWorkload({
      executor: { type: 'constant-arrival-rate', ratePerSecond: 100, arrivals: 'even' },
      scenarios: [aScenario({ method: 'GET', path: '/' })],
    }),
    sqlParser: outside.sqlParser,
    statementProbe: null,
    sliceMs: 100,
    warmupRounds: 1,
    answers: 3,
    seed: 5,
  };
  const tree = { tree: { root, within: '' }, folder, leaveOut: [] };
  const { changes } = planPatches(
    changed.map((text, index) => ({
      finding: findingOf(`finding ${index}`),
      codemod: { id: 'api/pattern', title: 'Writes it otherwise', addresses: [], write: () => [] },
      diff: createTwoFilesPatch('a/app.js', 'b/app.js', source === text ? 'another source\n' : source, text),
    })),
    {
      run,
      planned: [],
      measurement: aMeasurement({}),
      workingDirectory: (role) => patchedWorkingDirectory(tree, role),
      seesRoutes: true,
    },
  );
  const outcomes: PatchOutcome[] = [];
  const announced: string[] = [];
  await tryPatches(bench, {
    patches: changes,
    kept: [],
    tree,
    workspaces: outside.workspaces,
    refusal: () => (announced.length < turns ? null : 'the time is over'),
    announce: async ({ id }) => void announced.push(id),
    conclude: async (_patch, outcome) => void outcomes.push(outcome),
    baseDatabase: null,
    design: { looks: shortLooks, nominalLevel: nominalLevelFor(shortLooks), minimumEffect: 0.03, seed: 5, sliceMs: 100 },
    writeVolumeMargin: 0.25,
    calibration: {
      noise: [],
      masks: [],
      orderFreeRequests: new Set(),
      floor: { rounds: [], metrics: [], masks: [] },
      toggledNoise: async () => [],
    },
    measurement: aMeasurement({}),
  });
  const { processes, folders } = outstandingOf(await ledger.entries(), run);
  return {
    outcomes,
    announced,
    source: await readFile(join(root, 'app.js'), 'utf8'),
    left: [...processes, ...folders, ...(await readdir(folder))],
    copied: (await ledger.entries()).flatMap(({ event }) =>
      event.type === 'intent' && event.act.kind === 'create-folder' ? [event.act.path.split('anneal-workspace-')[1]] : [],
    ),
  };
}

function findingOf(fingerprint: string): Finding {
  return {
    ruleId: 'api/pattern',
    fingerprint,
    level: 'warning',
    message: 'A pattern.',
    subject: { kind: 'function', key: fingerprint },
    locations: [{ file: 'app.js', line: 1, function: null }],
    impact: { resource: 'cpu-time', share: 0.1, certainShare: 0.1 },
    evidence: [{ label: 'calls', value: 1, unit: '1', provenance: 'measured', source: 'agent' }],
    costIfIgnored: 'It stays.',
    proposal: { title: 'Write it otherwise', text: '', code: null, expected: null },
  };
}

test('a patch that breaks the backend, one that does not fit and one that answers otherwise each get their own word', async () => {
  const breaking = server.replace("'one'", 'undefinedName');
  const other = server.replace('one', 'two');
  const { outcomes, copied, source, left } = await tried(server, [breaking, server, other]);
  expect(outcomes).toEqual([
    { withdrawn: expect.stringContaining('Patch of app.js:1') as string },
    { untried: expect.stringContaining('patch') as string },
    { trial: expect.objectContaining({ isPatch: true, remedyId: 'api/pattern' }) as unknown },
  ]);
  expect(outcomes[2]).toMatchObject({
    trial: { verdict: { decision: 'rollback', equality: 'mismatch' }, primary: { metric: 'cpu.time' } },
  });
  // One copy without a patch serves all of them.
  expect(copied).toEqual(['baseline', 'patch-1', 'patch-2', 'patch-3']);
  expect(source).toBe(server);
  expect(left).toEqual([]);
});

test('a backend that does not run from a copy of its tree is no fault of a patch: all are untried, after one attempt', async () => {
  const homesick = `require('node:fs').readFileSync('.git/HEAD');\n${server}`;
  const { outcomes, announced, left } = await tried(homesick, [homesick.replace('one', 'two'), homesick.replace('one', 'three')]);
  expect(outcomes).toEqual([
    { untried: expect.stringMatching(/^it cannot be tried from a copy of the working tree: .*ENOENT/) as string },
    { untried: expect.stringMatching(/^it cannot be tried from a copy of the working tree: .*ENOENT/) as string },
  ]);
  expect(announced).toHaveLength(1);
  expect(left).toEqual([]);
});

test('without a turn nothing is copied, started or written down', async () => {
  const { outcomes, announced, copied } = await tried(server, [server.replace('one', 'two')], { turns: 0 });
  expect([outcomes, announced, copied]).toEqual([[{ untried: 'the time is over' }], [], []]);
});
