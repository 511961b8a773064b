import { z } from 'zod';
import { AnnealError } from '../errors.ts';
import type { Json } from '../remedy/remedy.ts';
import type { Assessment } from './assessment.ts';

const text = z.string();
const count = z.int().nonnegative();
const amount = z.number();
const share = z.number().min(0).max(1);

const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly();

const json: z.ZodType<Json> = z
  .lazy(() => z.union([z.null(), z.boolean(), z.number(), text, list(json), z.record(text, json).readonly()]))
  .meta({ id: 'Json' });

const estimate = z.strictObject({ point: amount, lower: amount, upper: amount, confidenceLevel: share }).meta({
  id: 'Estimate',
  description: 'Relative change with its two-sided interval: -0.4 is 40 % less. Of `errors`, the difference of two shares.',
});

const histogram = z
  .strictObject({
    precisionBits: z.int().min(0).max(16),
    count,
    sum: amount,
    min: amount,
    max: amount,
    buckets: list(z.tuple([count, count]).readonly()),
  })
  .meta({
    id: 'Histogram',
    description: 'Log-linear histogram of microseconds: 2^precisionBits buckets per power of two, as [bucket, count] pairs.',
  });

const metricId = z
  .union([
    z.enum([
      'answer.interval',
      'cpu.time',
      'database.time',
      'pool.wait',
      'response.bytes',
      'latency.p50',
      'latency.p95',
      'latency.p99',
      'errors',
      'memory',
      'wal.bytes',
    ]),
    z.templateLiteral(['connect.time:', text]),
    z.templateLiteral(['database.time:', text]),
    z.templateLiteral(['latency.p95:', text]),
    z.templateLiteral(['response.bytes:', text]),
    z.templateLiteral(['route.time:', text]),
    z.templateLiteral(['wal.bytes:', text]),
  ])
  .meta({ id: 'MetricId' });

const ruleId = z.templateLiteral([text, '/', text]);

const capability = z.enum([
  'load',
  'agent.routes',
  'agent.pools',
  'agent.runtime',
  'agent.profile',
  'agent.statements',
  'postgres.server-statements',
  'postgres.statements',
  'postgres.tables',
  'postgres.indexes',
  'postgres.columns',
  'postgres.foreign-keys',
  'postgres.settings',
  'postgres.waits',
  'postgres.plans',
  'postgres.server',
  'postgres.configuration',
  'postgres.table-health',
  'postgres.index-health',
  'postgres.sequences',
  'postgres.sessions',
  'postgres.prepared-transactions',
  'postgres.replication-slots',
  'postgres.activity',
  'postgres.checkpoints',
  'postgres.transaction-ages',
  'postgres.statement-history',
  'postgres.extended-statistics',
  'postgres.filtered-columns',
  'postgres.time-columns',
  'postgres.vector-columns',
  'mysql.server',
  'mysql.tables',
  'mysql.columns',
  'mysql.indexes',
  'mysql.foreign-keys',
  'mysql.index-usage',
  'mysql.statements',
  'mysql.plans',
  'system.processes',
]);

const location = z
  .strictObject({ file: text, line: count, column: count.exactOptional(), function: text.nullable() })
  .meta({ id: 'CodeLocation' });

const subject = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('statement'),
      key: text,
      statementId: text,
      text,
      tables: list(text),
      columns: list(text),
    }),
    z.strictObject({ kind: z.literal('route'), key: text, route: text, statementId: text.nullable() }),
    z.strictObject({ kind: z.literal('function'), key: text }),
    z.strictObject({ kind: z.literal('pool'), key: text, pool: text }),
    z.strictObject({
      kind: z.literal('object'),
      key: text,
      type: z.enum(['table', 'index', 'sequence', 'setting', 'session', 'database', 'replication slot', 'prepared transaction']),
      name: text,
    }),
  ])
  .meta({ id: 'Subject' });

const evidence = z
  .strictObject({
    label: text,
    value: z.union([amount, text]),
    unit: text.meta({ description: 'UCUM unit; `1` for counts and shares, empty for text.' }),
    provenance: z.enum(['measured', 'predicted', 'assumed']),
    source: text,
  })
  .meta({ id: 'Evidence' });

const findingShape = {
  ruleId,
  fingerprint: text,
  level: z.enum(['error', 'warning', 'note']),
  message: text,
  subject,
  locations: list(location),
  impact: z.strictObject({
    resource: z.enum(['request-time', 'database-time', 'cpu-time', 'pool-wait', 'response-bytes', 'headroom']),
    share: amount,
    certainShare: amount,
  }),
  evidence: z.tuple([evidence], evidence).readonly(),
  costIfIgnored: text,
  proposal: z.strictObject({
    title: text,
    text,
    code: text.nullable(),
    undo: text.exactOptional(),
    patch: z.strictObject({ title: text, diff: text }).exactOptional(),
    expected: estimate.nullable(),
  }),
};

const finding = z.strictObject(findingShape).meta({ id: 'Finding' });

const assessedFinding = z
  .strictObject({
    ...findingShape,
    requestTimeShare: amount,
    standing: z.enum(['confirmed', 'refuted', 'undecided', 'proposed', 'suppressed']),
    standingReason: text,
    trialId: text.nullable(),
    patch: z
      .strictObject({
        standing: z.enum(['proven', 'withdrawn', 'undecided', 'unprovable', 'untried']),
        file: text,
        reason: text.nullable(),
        trialId: text.nullable(),
      })
      .exactOptional(),
  })
  .meta({ id: 'AssessedFinding' });

const slice = z
  .strictObject({
    requests: count,
    failedRequests: count,
    refusedRequests: count.exactOptional(),
    metrics: z.partialRecord(metricId, amount).readonly(),
  })
  .meta({ id: 'Slice', description: 'Per request: latency in microseconds, other times in milliseconds, WAL and memory in bytes.' });

const round = z
  .strictObject({
    index: count,
    first: z.enum(['baseline', 'candidate']),
    baseline: slice,
    candidate: slice,
    dropped: list(text),
    late: list(text),
  })
  .meta({ id: 'Round' });

const result = z.enum(['improved', 'regressed', 'no-change', 'inconclusive']).meta({ id: 'Result' });

const comparisonShape = { metric: metricId, baseline: amount, candidate: amount, change: estimate, result, rounds: count };
const comparison = z.strictObject(comparisonShape).meta({ id: 'Comparison' });
const guard = z.strictObject({ ...comparisonShape, margin: amount, holds: z.boolean() }).meta({ id: 'GuardResult' });
const distribution = z.strictObject({ subject: text, baseline: histogram, candidate: histogram }).meta({ id: 'Distribution' });
const mask = z.strictObject({ request: text, path: text, reason: text }).meta({ id: 'Mask' });

const equalityResult = z.enum(['match', 'mismatch', 'unknown']);

const equality = z
  .strictObject({
    result: equalityResult,
    compared: count,
    mismatches: list(z.strictObject({ request: text, where: text, difference: text })),
    masks: list(mask),
    reordered: count,
    unknown: list(z.strictObject({ request: text, reason: text })).exactOptional(),
  })
  .meta({ id: 'Equality' });

const verdict = z
  .discriminatedUnion('decision', [
    z.strictObject({ decision: z.literal('keep'), performance: z.literal('improved'), equality: z.literal('match') }),
    z.strictObject({ decision: z.literal('rollback'), performance: result, equality: equalityResult, reason: text }),
  ])
  .meta({ id: 'Verdict' });

const trial = z
  .strictObject({
    id: text,
    finding: finding.nullable(),
    remedyId: text,
    isPatch: z.literal(true).exactOptional(),
    description: z.strictObject({
      title: text,
      sql: z.strictObject({ up: text, down: text }).nullable(),
      lasting: text.nullable(),
      reservations: list(text).exactOptional(),
      policies: list(json).exactOptional(),
    }),
    plan: json,
    prediction: z
      .strictObject({
        metric: metricId,
        change: estimate,
        model: z.enum(['plan-cost', 'queueing', 'amdahl']),
        assumptions: list(text),
      })
      .nullable(),
    design: z.strictObject({
      seed: z.int(),
      sliceMs: amount,
      looks: list(count),
      nominalLevel: share,
      minimumEffect: share,
      sharedWith: list(text),
      toggled: z.literal(true).exactOptional(),
      policy: z.strictObject({ share, expiresAfterMs: amount }).exactOptional(),
      leaning: z.strictObject({ scenarios: list(text), factor: amount, ordinaryPerSlice: amount, perSlice: amount }).exactOptional(),
    }),
    primary: comparison,
    guards: list(guard),
    equality,
    cost: z.strictObject({ diskBytes: amount, buildMs: amount, memoryBytes: amount, connections: amount }),
    verdict,
    placebo: z.strictObject({ controls: list(metricId), rounds: count, drift: estimate, result, sentence: text }).nullable(),
    rounds: list(round),
    distributions: list(distribution),
  })
  .meta({ id: 'Trial' });

const validity = z.strictObject({ valid: z.boolean(), problems: list(text), timingProblems: list(text) });

const load = z
  .strictObject({
    startedAt: text,
    durationMs: amount,
    plannedIterations: count,
    startedIterations: count,
    droppedIterations: count,
    requests: count,
    failedRequests: count,
    refusedRequests: count.exactOptional(),
    checks: count,
    failedChecks: count,
    requestsPerSecond: amount,
    responseTimeUs: histogram,
    serviceTimeUs: histogram,
    sendLagUs: histogram,
    steps: list(
      z.strictObject({
        name: text,
        requests: count,
        failedRequests: count,
        statuses: z.record(text, count).readonly(),
        responseTimeUs: histogram,
        serviceTimeUs: histogram,
        responseBytes: amount,
      }),
    ),
    validity,
    meanInFlight: amount,
    generatorCpuShare: amount,
  })
  .meta({ id: 'LoadResult' });

const window = z
  .strictObject({
    id: text,
    title: text,
    startedAt: text,
    durationMs: amount,
    quality: z.strictObject({ trusted: z.boolean(), problems: list(text) }),
    gaps: list(z.strictObject({ capability, reason: text })),
    load: load.nullable(),
    routes: list(
      z.strictObject({
        route: text,
        requests: count,
        errors: count,
        durationUs: histogram,
        totalMs: amount,
        queryMs: amount,
        poolWaitMs: amount,
        outgoingMs: amount,
        redisMs: amount,
        cpuMs: amount.nullable(),
        responseBytes: amount,
        timeShare: amount,
      }),
    ),
    statements: list(
      z.strictObject({ id: text, text, calls: amount, totalMs: amount, rows: amount, timeShare: amount, locations: list(text) }),
    ),
    pools: list(
      z.strictObject({
        name: text,
        location: location.nullable(),
        max: count,
        checkouts: count,
        waits: count,
        waitMs: amount,
        waitUs: histogram,
        heldUs: histogram,
        peakInUse: count,
        peakWaiting: count,
      }),
    ),
    runtime: z
      .strictObject({
        nodeVersion: text,
        windowMs: amount,
        cpuMs: amount,
        eventLoopUtilizationShare: amount,
        eventLoopDelayUs: histogram,
        gcMs: amount,
        gcCount: count,
        heapUsedBytes: amount,
        residentBytes: amount,
        hooks: list(text).exactOptional(),
        otherProcesses: count.exactOptional(),
      })
      .nullable(),
  })
  .meta({ id: 'Window' });

/** What `report.json` holds. Strict: a field that is not in it is a mistake or of another version. */
export const assessmentSchema = z
  .strictObject({
    schemaVersion: z.literal('1.0.0'),
    run: z.strictObject({
      id: text,
      command: z.enum(['measure', 'diagnose', 'optimize', 'try', 'demo', 'load', 'record']),
      startedAt: text,
      durationMs: amount,
      annealVersion: text,
      seed: z.int(),
    }),
    summary: z.strictObject({
      defects: z.strictObject({ expected: count, found: count, missed: list(text), invented: list(text) }).nullable(),
      trials: z.strictObject({ kept: count, rolledBack: count, inconclusive: count }),
      overall: z.strictObject({ metric: text, change: estimate }).nullable(),
      calibration: list(z.strictObject({ remedy: text, metric: text, predicted: amount, measured: amount })),
      durationMs: amount,
    }),
    target: z.strictObject({
      name: text,
      startCommand: text,
      nodeVersion: text.nullable(),
      databaseVersion: text.nullable(),
      schemaHash: text.nullable(),
      cpus: count,
      memoryBytes: amount,
    }),
    workload: z.strictObject({
      name: text,
      executor: text,
      scenarios: list(z.strictObject({ name: text, weightShare: share })),
      hash: text,
    }),
    windows: list(window),
    findings: list(assessedFinding),
    silences: list(z.strictObject({ ruleId, subject: text, reason: text })),
    noiseFloor: z
      .strictObject({
        rounds: list(round),
        metrics: list(z.strictObject({ metric: text, noise: amount, bias: amount, smallestProvable: amount })),
        masks: list(mask),
        reservations: list(text).exactOptional(),
      })
      .nullable(),
    trials: list(trial),
    overall: z
      .strictObject({
        comparisons: list(comparison),
        guards: list(guard),
        distributions: list(distribution),
        rounds: list(round),
      })
      .nullable(),
    calibration: list(
      z.strictObject({ remedy: text, subject: text, metric: metricId, predicted: estimate, measured: estimate, inside: z.boolean() }),
    ),
    thresholds: list(z.strictObject({ metric: text, expression: text, value: amount.nullable(), holds: z.boolean() })),
    costs: z.strictObject({
      diskBytes: amount,
      buildMs: amount,
      memoryBytes: amount,
      connections: amount,
      writeVolumeChange: amount.nullable(),
    }),
    nextActions: list(text),
    domains: list(z.strictObject({ id: text, title: text, rules: count, remedies: count })),
  })
  .meta({ id: 'Assessment' });

type Agreeing<One extends Other, Other> = One;
/**
 * Does not compile when the schema and the interface say different things, in either direction.
 * @public nobody imports it: the compiler reads it.
 */
export type SchemaIsTheInterface = [
  Agreeing<z.infer<typeof assessmentSchema>, Assessment>,
  Agreeing<Assessment, z.infer<typeof assessmentSchema>>,
];

/** The published JSON Schema (draft 2020-12): docs/reference/assessment.schema.json. */
export function assessmentJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(assessmentSchema);
  return {
    $schema,
    $id: 'urn:anneal:assessment:1.0.0',
    title: 'Anneal assessment',
    version: assessmentSchema.shape.schemaVersion.value,
    ...schema,
  };
}

/**
 * The value as an assessment; `path` is where it was read, for the message.
 *
 * @throws ANNEAL_REPORT_UNREADABLE with the first field that is wrong, or with the version of a file
 * that another Anneal wrote
 */
export function parseAssessment(value: unknown, path: string): Assessment {
  const parsed = assessmentSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new AnnealError('ANNEAL_REPORT_UNREADABLE', { path, problem: problemOf(value, parsed.error) });
}

function problemOf(value: unknown, error: z.ZodError): string {
  const version = z.looseObject({ schemaVersion: text }).safeParse(value).data?.schemaVersion;
  const ours = assessmentSchema.shape.schemaVersion.value;
  if (version !== undefined && version !== ours) return `it has schema version ${version}, this Anneal reads ${ours}`;
  const [first] = error.issues;
  if (first === undefined) return 'it is not an assessment';
  const where = first.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return `${where === '' ? 'the file' : where.replace(/^\./, '')}: ${first.message}`;
}
