import { expect, test } from 'vitest';
import { foldProfile, type CpuProfile } from './fold-profile.ts';
import type { Timeline } from './timeline.ts';

const kinds = {
  applicationFile: (url: string) => (url.startsWith('/app/') ? url : null),
  isAgentFile: (url: string) => url.startsWith('/agent/'),
  originalLocation: (file: string, line: number, column: number, name: string | null) => ({ file, line, column, function: name }),
};
const frame = (functionName: string, url = '', lineNumber = 0) => ({ functionName, url, lineNumber, columnNumber: 4 });

/** (root) > handler > [scryptSync > run], [agent's stringify], helper; idle; collector */
const nodes: CpuProfile['nodes'] = [
  { id: 1, callFrame: frame('(root)'), children: [2, 7, 8, 9] },
  { id: 2, callFrame: frame('handler', '/app/a.js', 9), children: [3, 5, 6] },
  { id: 3, callFrame: frame('scryptSync', 'node:internal/crypto/scrypt'), children: [4] },
  { id: 4, callFrame: frame('run', 'node:internal/crypto/scrypt') },
  { id: 5, callFrame: frame('stringify', '/agent/serialisation.ts') },
  { id: 6, callFrame: frame('helper', '/app/b.js', 1) },
  { id: 7, callFrame: frame('(idle)') },
  { id: 8, callFrame: frame('(garbage collector)') },
  { id: 9, callFrame: frame('processTicks', 'node:internal/process') },
];
const fold = (samples: readonly number[], timeline?: Timeline) =>
  foldProfile(
    { nodes, startTime: 0, endTime: samples.length * 10_000, samples, timeDeltas: samples.map((_, index) => (index === 0 ? 0 : 10_000)) },
    10_000,
    kinds,
    timeline,
  );

test('time below a function of the application is charged to it, named by the first call below', () => {
  const folded = fold([4, 4, 4, 2, 7, 7]);
  expect(folded).toEqual({
    intervalUs: 10_000,
    sampledMs: 40,
    functions: [
      {
        location: { file: '/app/a.js', line: 10, column: 5, function: 'handler' },
        selfMs: 40,
        ownMs: 10,
        hottestLine: null,
        routes: [],
        heaviestCallee: 'scryptSync',
        heaviestCalleeMs: 30,
        longestStretchMs: 30,
        blockingStretches: 1,
        blockingMs: 30,
      },
    ],
    routes: [],
  });
});

test('a nested function of the application has its own account', () => {
  expect(fold([6, 2, 6]).functions.map(({ location, selfMs }) => [location.function, selfMs])).toEqual([
    ['helper', 20],
    ['handler', 10],
  ]);
});

test('its own code is not blamed on a callee, and serialisation is named although the agent stands before it', () => {
  expect(fold([2, 2, 4]).functions[0]).toMatchObject({ heaviestCallee: null, heaviestCalleeMs: 0 });
  expect(fold([5, 5]).functions[0]).toMatchObject({ heaviestCallee: 'JSON.stringify', selfMs: 20 });
});

test('a lone sample proves no stretch; a collection inside one does not end it; idleness does', () => {
  expect(fold([4, 7, 4]).functions[0]).toMatchObject({ longestStretchMs: 0, blockingStretches: 0, blockingMs: 0, selfMs: 20 });
  expect(fold([4, 8, 4]).functions[0]).toMatchObject({ longestStretchMs: 20, blockingStretches: 1, selfMs: 20 });
  expect(fold([4, 4, 7, 4, 4, 4]).functions[0]).toMatchObject({ longestStretchMs: 20, blockingStretches: 2, blockingMs: 30 });
});

test('no stretch goes on over a turn of the event loop', () => {
  const turnedBetween = (...turnsUs: number[]) => fold([4, 4, 4, 4], { requests: [], turnsUs }).functions[0];
  expect(turnedBetween(45_000)).toMatchObject({ longestStretchMs: 30, blockingStretches: 1 });
  expect(turnedBetween(15_000)).toMatchObject({ longestStretchMs: 10, blockingMs: 20, blockingStretches: 2 });
  expect(turnedBetween(5_000, 15_000, 25_000)).toMatchObject({ longestStretchMs: 0, blockingStretches: 0, selfMs: 40 });
});

test('a callback without a name is a part of the function around it, and a handler without one stands for itself', () => {
  const callback: CpuProfile['nodes'] = [
    { id: 1, callFrame: frame('(root)'), children: [2, 5] },
    { id: 2, callFrame: frame('rank', '/app/a.js', 9), children: [3] },
    { id: 3, callFrame: frame('map'), children: [4] },
    { id: 4, callFrame: frame('', '/app/a.js', 11) },
    { id: 5, callFrame: frame('', '/app/a.js', 20) },
  ];
  const { functions } = foldProfile(
    { nodes: callback, startTime: 0, endTime: 40_000, samples: [2, 4, 4, 5], timeDeltas: [0, 10_000, 10_000, 10_000] },
    10_000,
    kinds,
  );
  expect(functions.map(({ location, ownMs }) => [location.function, location.line, ownMs])).toEqual([
    ['rank', 10, 30],
    [null, 21, 10],
  ]);
});

test('its own time is told from that of libraries, and its hottest line is the one met most', () => {
  expect(fold([2, 4, 5, 2]).functions[0]).toMatchObject({ selfMs: 40, ownMs: 20 });
  const [handler] = foldProfile(
    {
      nodes: nodes.map((node) =>
        node.id === 2
          ? {
              ...node,
              positionTicks: [
                { line: 12, ticks: 1 },
                { line: 14, ticks: 3 },
              ],
            }
          : node,
      ),
      startTime: 0,
      endTime: 40_000,
      samples: [2, 2, 2, 2],
      timeDeltas: [0, 10_000, 10_000, 10_000],
    },
    10_000,
    kinds,
  ).functions;
  expect(handler).toMatchObject({ hottestLine: 14, ownMs: 40 });
});

test('what runs outside the application is sampled and charged to nobody', () => {
  expect(fold([9, 9, 8])).toMatchObject({ sampledMs: 30, functions: [] });
  expect(foldProfile({ nodes, startTime: 0, endTime: 0 }, 10_000, kinds)).toMatchObject({ sampledMs: 0, functions: [] });
});
