import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { appFile } from '../../../agent/test/target.ts';
import { createOutside } from '../adapters/outside.ts';
import { coalesceRequests, type CoalesceRequestsPlan } from '../domains/api/remedies/coalesce-requests.ts';
import { keepOutgoingConnections, type KeepOutgoingConnectionsPlan } from '../domains/api/remedies/keep-outgoing-connections.ts';
import { compressResponses } from '../domains/api/remedies/compress-responses.ts';
import { tagResponses } from '../domains/api/remedies/tag-responses.ts';
import type { Json, Remedy } from '../remedy/remedy.ts';
import { aMeasurement } from '../finding/fixtures/observations.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { silentProgress } from '../ports/progress.ts';
import type { Target } from '../target/target.ts';
import { aScenario, aWorkload } from '../workload/fixtures/workloads.ts';
import { calibrateArms } from './calibrate-arms.ts';
import { compareArms, type Bench } from './compare-arms.ts';
import { nominalLevelFor, shortLooks } from './decide.ts';
import type { LedgerEvent } from './events.ts';
import { outstandingOf } from './outstanding.ts';
import { routeGroup, type TriedChange } from './planned-change.ts';
import { policyExpiryMs } from './policy-terms.ts';
import { tryChanges } from './try-changes.ts';

const outside = await createOutside();

/** A backend without a database whose answers take CPU, and one plan that lets identical requests share it. */
const target: Target = {
  name: 'answers',
  startCommand: `exec "${process.execPath}" "${appFile('answers.mjs')}"`,
  workingDirectory: tmpdir(),
  env: { FRAMEWORK: 'fastify' },
  portVariable: 'PORT',
  readyPath: '/small',
  readyTimeoutMs: 20_000,
  database: null,
};
const plan: CoalesceRequestsPlan = { route: '/busy', longestWaitMs: 1000, location: null };

function changeOf(given: Partial<TriedChange> = {}): TriedChange {
  return {
    id: 'test-1',
    findings: [],
    remedy: coalesceRequests,
    scope: 'process',
    plan,
    metric: 'cpu.time',
    prediction: {
      metric: 'cpu.time',
      change: { point: -0.3, lower: -0.6, upper: -0.1, confidenceLevel: 0.95 },
      model: 'queueing',
      assumptions: [],
    },
    description: coalesceRequests.describe(plan),
    touched: { statementIds: [], routes: ['GET /busy'], writtenTables: [] },
    ...given,
  };
}

async function opened(run: string) {
  const stack = new AsyncDisposableStack();
  const place = stack.use(await mkdtempDisposable(join(tmpdir(), 'anneal-toggle-')));
  const ledger = stack.use(await openLedger<LedgerEvent>(outside, join(place.path, 'ledger.jsonl')));
  const bench: Bench = {
    context: { outside, ledger, run, target, signal: new AbortController().signal, progress: silentProgress },
    workload: aWorkload({
      executor: { type: 'constant-arrival-rate', ratePerSecond: 100, arrivals: 'poisson' },
      scenarios: [aScenario({ method: 'GET', path: '/busy' })],
    }),
    sqlParser: outside.sqlParser,
    statementProbe: null,
    sliceMs: 400,
    warmupRounds: 1,
    answers: 3,
    seed: 5,
  };
  const outstanding = async () => {
    const { processes, copies, changes } = outstandingOf(await ledger.entries(), run);
    return [...processes, ...copies, ...changes];
  };
  return { stack, bench, outstanding };
}

const request = { baseDatabase: null, standing: [], groups: [], mostRounds: 2, isDecided: () => false };

describe('a comparison by toggling', () => {
  test('has the policy off and on in one process, with the same requests, and compares answers that were asked for together', async () => {
    const { stack, bench, outstanding } = await opened('toggled');
    await using _ = stack;
    let expiresAfterMs: number | undefined;
    const remedy: TriedChange['remedy'] = {
      ...coalesceRequests,
      apply(given, act) {
        ({ expiresAfterMs } = act);
        return coalesceRequests.apply(given, act);
      },
    };
    const change = changeOf({ remedy });
    const toggled = [coalesceRequests.toggles!(plan)];
    const { rounds, answers, ended } = await compareArms(bench, { ...request, label: 'one', changes: [change], toggled });
    expect(ended).toBeNull();
    expect(expiresAfterMs).toBe(policyExpiryMs(bench, request.mostRounds));
    expect(rounds.flatMap(({ dropped }) => dropped)).toEqual([]);
    expect(rounds).toHaveLength(2);
    for (const { baseline, candidate } of rounds) {
      expect(baseline.requests).toBe(candidate.requests);
      expect(candidate.metrics['cpu.time']!).toBeLessThan(baseline.metrics['cpu.time']!);
      expect(candidate.metrics['response.bytes']).toBeCloseTo(baseline.metrics['response.bytes']!, 0);
    }
    expect(answers.baseline).toHaveLength(9);
    expect(answers.candidate.map(({ body }) => body)).toEqual(answers.baseline.map(({ body }) => body));
    expect(await outstanding()).toEqual([]);
  });

  test('meets clients that take compressed answers and keep them, as far as the change is about that', async () => {
    const { stack, bench } = await opened('answers');
    await using _ = stack;
    // Three answers of four are of another route, and many times as long.
    const workload = aWorkload({
      executor: { type: 'constant-arrival-rate', ratePerSecond: 100 },
      scenarios: [
        { ...aScenario({ method: 'GET', path: '/varied', headers: { 'accept-encoding': 'gzip' } }), name: 'varied', weight: 1 },
        { ...aScenario({ method: 'GET', path: '/big' }), name: 'big', weight: 3 },
      ],
    });
    const bytes = async (remedy: Remedy, plan: Json) => {
      const change = changeOf({ remedy, plan, metric: 'response.bytes:GET /varied', touched: remedy.touches(plan, aMeasurement({})) });
      const toggled = [remedy.toggles!(plan)];
      const compared = await compareArms(
        { ...bench, workload },
        { ...request, label: remedy.id, changes: [change], routeGroups: routeGroup(change), toggled },
      );
      expect(compared.answers.candidate.map(({ status, body }) => ({ status, body }))).toEqual(
        compared.answers.baseline.map(({ status, body }) => ({ status, body })),
      );
      expect(compared.rounds.map(({ candidate }) => candidate.failedRequests)).toEqual([0, 0]);
      return compared.rounds.map(({ baseline, candidate }) => [baseline, candidate].map(({ metrics }) => metrics[change.metric]!));
    };
    const compressed = await bytes(compressResponses, { route: '/varied', minimumBytes: 1_000 });
    // Every answer is the same: what a slice says of one has no noise at all, however many chance put into it.
    expect(new Set(compressed.map(String)).size).toBe(1);
    expect(compressed[0]![1]! / compressed[0]![0]!).toBeLessThan(0.3);
    // Who had it with its tag before the policy was off knows it still, and is sent nothing: the first time was in the warm-up.
    expect(await bytes(tagResponses, { route: '/varied' })).toEqual(compressed.map(([whole]) => [whole, 0]));
  });

  test('judges kept connections by the requests that call, each state with connections of its own', async () => {
    const { stack, bench } = await opened('calling');
    await using _ = stack;
    const caller = join(import.meta.dirname, 'fixtures/caller-process.ts');
    const calling: Target = {
      ...target,
      startCommand: `exec "${process.execPath}" "${caller}"`,
      env: {},
      readyPath: '/call',
    };
    const plan: KeepOutgoingConnectionsPlan = { peers: ['127.0.0.1:*'], routes: ['GET /call'], location: null };
    const touched = keepOutgoingConnections.touches(plan, aMeasurement({}));
    const change = changeOf({ remedy: keepOutgoingConnections, plan, metric: 'connect.time:GET /call', touched });
    const { rounds } = await compareArms(
      {
        ...bench,
        context: { ...bench.context, target: calling },
        workload: aWorkload({
          executor: { type: 'constant-arrival-rate', ratePerSecond: 50 },
          scenarios: [aScenario({ method: 'GET', path: '/call' })],
        }),
      },
      {
        ...request,
        label: 'calling',
        changes: [change],
        routeGroups: routeGroup(change),
        toggled: [keepOutgoingConnections.toggles!(plan)],
      },
    );
    expect(rounds).toHaveLength(2);
    for (const { baseline, candidate } of rounds) {
      // "opened" for every call, and for a few of them.
      expect(baseline.metrics['response.bytes']).toBe(6);
      expect(candidate.metrics['response.bytes']!).toBeLessThan(3);
      expect(candidate.metrics[change.metric]!).toBeLessThan(baseline.metrics[change.metric]! / 2);
      expect([baseline, candidate].map(({ metrics }) => metrics['route.time:GET /call']! > 0)).toEqual([true, true]);
    }
  });

  test('says so where the policy met nothing in all of its trial', async () => {
    const { stack, bench } = await opened('idle');
    await using _ = stack;
    const elsewhere: CoalesceRequestsPlan = { ...plan, route: '/elsewhere' };
    const change = changeOf({ plan: elsewhere });
    const compared = await compareArms(bench, {
      ...request,
      label: 'idle',
      changes: [change],
      toggled: [coalesceRequests.toggles!(elsewhere)],
    });
    expect(compared.rounds).toHaveLength(2);
    expect(compared.ended).toBe('the policy api/coalesce-requests:/elsewhere met nothing to act on in any slice');
  });

  test('says so where the candidate turns out to be a cluster, and compares nothing', async () => {
    const { stack, bench } = await opened('cluster');
    await using _ = stack;
    const context = { ...bench.context, target: { ...target, startCommand: `exec "${process.execPath}" "${appFile('cluster.cjs')}"` } };
    const toggled = [coalesceRequests.toggles!(plan)];
    const compared = await compareArms({ ...bench, context }, { ...request, label: 'cluster', changes: [changeOf()], toggled });
    expect(compared.ended).toMatch(/^a policy acts in one process only, and 3 served/);
    expect(compared.rounds).toEqual([]);
  });

  test('says why when the policy ends before its trial does', async () => {
    const { stack, bench } = await opened('ending');
    await using _ = stack;
    // Expired before the first slice.
    const shortLived: TriedChange['remedy'] = {
      ...coalesceRequests,
      apply: async (_plan, { agent }) => {
        await agent!.apply('short', { kind: 'coalesce-requests', routes: ['/busy'], longestWaitMs: 1000 });
        await agent!.revoke('short');
      },
    };
    const compared = await compareArms(bench, {
      ...request,
      label: 'two',
      changes: [changeOf({ remedy: shortLived })],
      toggled: ['short'],
    });
    expect(compared.ended).toContain('the policy short is not in force');
    expect(compared.rounds).toEqual([]);
  });
});

/** Calibration and a whole trial: a minute under load, which `make test-toggle` runs. */
describe.skipIf(process.env['ANNEAL_THOROUGH'] === undefined)('a trial by toggling (skipped without ANNEAL_THOROUGH)', () => {
  test(
    'keeps what is proven and brings at least half of what was predicted, and gives back what does not',
    { timeout: 240_000 },
    async () => {
      const { stack, bench, outstanding } = await opened('tried');
      await using _ = stack;
      const design = { looks: shortLooks, minimumEffect: 0.03, sliceMs: bench.sliceMs, nominalLevel: nominalLevelFor(shortLooks), seed: 5 };
      const measurement = aMeasurement({});
      const promising = changeOf();
      const calibration = await calibrateArms(bench, { baseDatabase: null, changes: [promising], design, measurement });
      const tryOne = async (change: TriedChange) =>
        (
          await tryChanges(bench, {
            baseDatabase: null,
            kept: [],
            changes: [change],
            design,
            writeVolumeMargin: 0.1,
            calibration,
            measurement,
          })
        )[0]!;
      const kept = await tryOne(promising);
      process.stderr.write(
        `${JSON.stringify({ noise: await calibration.toggledNoise(), primary: kept.primary, guards: kept.guards }, null, 1)}\n`,
      );
      expect(kept.design.toggled).toBe(true);
      expect(kept.verdict).toEqual({ decision: 'keep', performance: 'improved', equality: 'match' });
      const overstated = changeOf({
        prediction: { ...promising.prediction!, change: { point: -0.99, lower: -1, upper: -0.9, confidenceLevel: 0.95 } },
      });
      const halved = {
        ...overstated,
        prediction: { ...overstated.prediction!, change: { ...overstated.prediction!.change, point: 4 * kept.primary.change.point } },
      };
      const rolledBack = await tryOne(halved);
      expect(rolledBack.verdict).toMatchObject({
        decision: 'rollback',
        performance: 'improved',
        reason: expect.stringContaining('less than half'),
      });
      expect(await outstanding()).toEqual([]);
    },
  );
});
