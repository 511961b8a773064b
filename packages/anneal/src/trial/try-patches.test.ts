import { execFileSync } from 'node:child_process';
import { mkdir, mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { expect, test } from 'vitest';
import { createOutside } from '../adapters/outside.ts';
import { aMeasurement } from '../finding/fixtures/observations.ts';
import type { Finding } from '../finding/finding.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { silentProgress } from '../ports/progress.ts';
import { aScenario, aWorkload } from '../workload/fixtures/workloads.ts';
import type { Bench } from './compare-arms.ts';
import { nominalLevelFor } from './decide.ts';
import type { LedgerEvent } from './events.ts';
import { outstandingOf } from './outstanding.ts';
import { planPatches } from './patch-changes.ts';
import { patchedWorkingDirectory } from './tree-copy.ts';
import { tryPatches, type PatchOutcome } from './try-patches.ts';

const outside = await createOutside();

/** What is tested is the way to a verdict, not how sure it is: no chance makes equal servers differ by nine tenths. */
const looks = [6];
const minimumEffect = 0.9;

const server = `const answer = 'one';
require('node:http').createServer((request, response) => response.end(answer)).listen(process.env.PORT, '127.0.0.1');
`;

interface Tree {
  readonly files: Readonly<Record<string, string>>;
  readonly start: string;
  /** The file that is patched. */
  readonly patched: string;
}

const plain = (source: string): Tree => ({ files: { 'app.js': source }, start: 'exec node app.js', patched: 'app.js' });

/** Tries patches that make these texts of one file, null for one that does not fit; what became of each, and what is left. */
async function tried({ files, start, patched }: Tree, changed: readonly (string | null)[], { turns = changed.length } = {}) {
  const run = 'patches';
  await using place = await mkdtempDisposable(join(tmpdir(), 'anneal-try-patches-'));
  const [root, folder] = [join(place.path, 'tree'), join(place.path, 'run')];
  await mkdir(folder);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  const source = files[patched]!;
  execFileSync('git', ['init', '-q'], { cwd: root });
  await using ledger = await openLedger<LedgerEvent>(outside, join(place.path, 'ledger.jsonl'));
  const target = {
    name: 'tiny',
    startCommand: start,
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
      finding: findingOf(`finding ${index}`, patched),
      codemod: { id: 'api/pattern', title: 'Writes it otherwise', addresses: [], write: () => [] },
      diff: createTwoFilesPatch(`a/${patched}`, `b/${patched}`, text === null ? 'another source\n' : source, text ?? source),
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
    design: { looks, nominalLevel: nominalLevelFor(looks), minimumEffect, seed: 5, sliceMs: 100 },
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
    source: await readFile(join(root, patched), 'utf8'),
    left: [...processes, ...folders, ...(await readdir(folder))],
    copied: (await ledger.entries()).flatMap(({ event }) =>
      event.type === 'intent' && event.act.kind === 'create-folder' ? [event.act.path.split('anneal-workspace-')[1]] : [],
    ),
  };
}

function findingOf(fingerprint: string, file: string): Finding {
  return {
    ruleId: 'api/pattern',
    fingerprint,
    level: 'warning',
    message: 'A pattern.',
    subject: { kind: 'function', key: fingerprint },
    locations: [{ file, line: 1, function: null }],
    impact: { resource: 'cpu-time', share: 0.1, certainShare: 0.1 },
    evidence: [{ label: 'calls', value: 1, unit: '1', provenance: 'measured', source: 'agent' }],
    costIfIgnored: 'It stays.',
    proposal: { title: 'Write it otherwise', text: '', code: null, expected: null },
  };
}

test('a patch that breaks the backend and one that does not fit each get their own word, and the tree stays as it is', async () => {
  const breaking = server.replace("'one'", 'undefinedName');
  const { outcomes, copied, source, left } = await tried(plain(server), [breaking, null]);
  expect(outcomes).toEqual([
    { withdrawn: expect.stringContaining('Patch of app.js:1') as string },
    { untried: expect.stringContaining('patch') as string },
  ]);
  // One copy without a patch serves all of them.
  expect(copied).toEqual(['baseline', 'patch-1', 'patch-2']);
  expect(source).toBe(server);
  expect(left).toEqual([]);
});

test('a backend that does not run from a copy of its tree is no fault of a patch: all are untried, after one attempt', async () => {
  const homesick = `require('node:fs').readFileSync('.git/HEAD');\n${server}`;
  const { outcomes, announced, left } = await tried(plain(homesick), [homesick.replace('one', 'two'), homesick.replace('one', 'three')]);
  expect(outcomes).toEqual([
    { untried: expect.stringMatching(/^it cannot be tried from a copy of the working tree: .*ENOENT/) as string },
    { untried: expect.stringMatching(/^it cannot be tried from a copy of the working tree: .*ENOENT/) as string },
  ]);
  expect(announced).toHaveLength(1);
  expect(left).toEqual([]);
});

test('a patch of a source that is built beforehand never reaches what runs: that is said, and not that it brings nothing', async () => {
  const source = `const answer: string = 'one';\nprocess.title = answer;\n`;
  const map = JSON.stringify({ version: 3, sources: ['../src/app.ts'], mappings: '' });
  const built: Tree = {
    files: { 'src/app.ts': source, 'dist/app.js': `${server}//# sourceMappingURL=app.js.map\n`, 'dist/app.js.map': map },
    start: 'exec node dist/app.js',
    patched: 'src/app.ts',
  };
  const changed = [source.replace('one', 'two'), source.replace('one', 'three')];
  const { outcomes, copied } = await tried(built, changed);
  const why = { unprovable: expect.stringContaining('what runs is made from src/app.ts') as string };
  expect(outcomes).toEqual([why, why]);
  // Shown once, it needs no second trial.
  expect(copied).toEqual(['baseline', 'patch-1']);

  const builds = {
    ...built,
    start: `sed "s/const answer.*/const answer = $(grep -o "'[a-z]*'" src/app.ts);/" -i dist/app.js && exec node dist/app.js`,
  };
  expect((await tried(builds, changed.slice(0, 1))).outcomes[0]).toMatchObject({
    trial: {
      isPatch: true,
      remedyId: 'api/pattern',
      primary: { metric: 'cpu.time' },
      verdict: { decision: 'rollback', equality: 'mismatch' },
    },
  });
});

test('without a turn nothing is copied, started or written down', async () => {
  const { outcomes, announced, copied } = await tried(plain(server), [server.replace('one', 'two')], { turns: 0 });
  expect([outcomes, announced, copied]).toEqual([[{ untried: 'the time is over' }], [], []]);
});
