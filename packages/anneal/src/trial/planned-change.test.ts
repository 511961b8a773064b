import { expect, test } from 'vitest';
import { createSqlParser } from '../adapters/sql-parser.ts';
import { compressResponses } from '../domains/api/remedies/compress-responses.ts';
import { uncompressedResponse } from '../domains/api/rules/uncompressed-response.ts';
import { diagnose } from '../finding/diagnose.ts';
import { aMeasurement, aRoute, aRuntime, someAnswers } from '../finding/fixtures/observations.ts';
import { usualSettings } from '../finding/fixtures/outcomes.ts';
import type { RuntimeObservation } from '../measurement/observations.ts';
import { planChanges } from './planned-change.ts';

const sqlParser = await createSqlParser();
const answers = someAnswers({
  large: 200,
  uncompressed: 200,
  uncompressedBytes: 8e6,
  sampledBytes: 120_000,
  sampledCompressedBytes: 18_000,
});

function planned(runtime: Partial<RuntimeObservation>) {
  const route = aRoute({ route: '/rates', requests: 1_000, totalMs: 80_000, responseBytes: 4e7, largestResponseBytes: 4e4, answers });
  const measurement = aMeasurement({ 'agent.routes': [route], 'agent.runtime': aRuntime(runtime) });
  const { findings } = diagnose([uncompressedResponse], measurement, usualSettings);
  return planChanges('run', findings, [compressResponses], { measurement, sql: null, sqlParser, planner: null, samples: new Map() });
}

test('a policy is planned for a process that serves alone', async () => {
  const { changes, unplanned } = await planned({});
  expect(changes).toMatchObject([{ id: 'run-1', scope: 'process' }]);
  expect(unplanned.size).toBe(0);
});

test('of a cluster a policy would act in one worker: none is planned, and the finding says why', async () => {
  const { changes, unplanned } = await planned({ otherProcesses: 3 });
  expect(changes).toEqual([]);
  expect([...unplanned.values()]).toEqual([
    expect.stringMatching(/^Compress long answers: a policy acts in one process only, and 4 served, as workers of a cluster do/),
  ]);
});
