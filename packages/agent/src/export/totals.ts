import { bucketRange, Histogram, type HistogramData } from '../histogram.ts';
import type { AgentSummary, PolicySummary, PoolSummary, RouteSummary, StatementSummary } from '../protocol.ts';
import { bounds, type Attributes, type Metric, type Point } from './metric.ts';

/** Beyond these an application makes up names (hostile paths, generated SQL): the rest is added up under `other`. */
const mostSeries = 500;
const longestStatement = 120;

class Durations {
  readonly attributes: Attributes;
  readonly histogram = new Histogram();
  errors = 0;

  constructor(attributes: Attributes) {
    this.attributes = attributes;
  }
}

interface StatementTotals {
  readonly attributes: Attributes;
  calls: number;
  seconds: number;
  rows: number;
}

/** What window after window says, added up since the process started: what Prometheus and OTLP readers expect. */
export class Totals {
  readonly #routes = new Map<string, Durations>();
  readonly #statements = new Map<string, StatementTotals>();
  readonly #pools = new Map<string, Durations>();
  readonly #poolsNow = new Map<string, PoolSummary>();
  readonly #refusals = new Map<string, number>();
  #policiesNow: readonly PolicySummary[] = [];
  #gcSeconds = 0;
  #cpuSeconds = 0;
  #last: AgentSummary['runtime'] | null = null;

  add(summary: AgentSummary): void {
    for (const route of summary.routes) this.#addRoute(route);
    const texts = new Map(summary.statementTexts.map(({ templateId, template }) => [templateId, template]));
    for (const statement of [...summary.routes.flatMap(({ statements }) => statements), ...summary.background])
      this.#addStatement(statement, texts);
    for (const pool of summary.pools) {
      seriesOf(this.#pools, pool.name, () => new Durations({ 'db.client.connection.pool.name': pool.name })).histogram.merge(pool.waitUs);
      this.#poolsNow.set(pool.name, pool);
    }
    this.#policiesNow = summary.policies;
    for (const { id, figures } of summary.policies) {
      if (figures['refused'] !== undefined) this.#refusals.set(id, (this.#refusals.get(id) ?? 0) + figures['refused']);
    }
    this.#gcSeconds += summary.runtime.gcMs / 1000;
    this.#cpuSeconds += summary.runtime.cpuMs / 1000;
    this.#last = summary.runtime;
  }

  metrics(): readonly Metric[] {
    const runtime = this.#last;
    const pools = [...this.#poolsNow.values()];
    const poolPoints = (figure: (pool: PoolSummary) => number) =>
      pools.map((pool) => ({ attributes: { 'db.client.connection.pool.name': pool.name }, value: figure(pool) }));
    const statements = [...this.#statements.values()];
    const statementPoints = (figure: (totals: StatementTotals) => number) =>
      statements.map((totals) => ({ attributes: totals.attributes, value: figure(totals) }));
    return [
      histogram('http.server.request.duration', 'Duration of requests, from their arrival until their answer was sent', [
        ...this.#routes.values(),
      ]),
      counter(
        'anneal.http.server.errors',
        'Requests answered with 500 or above, or cut off',
        '1',
        [...this.#routes.values()].map(({ attributes, errors }) => ({ attributes, value: errors })),
      ),
      counter(
        'anneal.db.statement.calls',
        'Calls of a statement from a line of the application',
        '1',
        statementPoints(({ calls }) => calls),
      ),
      counter(
        'anneal.db.statement.duration',
        'Time those calls took, seen by the application',
        's',
        statementPoints(({ seconds }) => seconds),
      ),
      counter(
        'anneal.db.statement.rows',
        'Rows they returned',
        '1',
        statementPoints(({ rows }) => rows),
      ),
      histogram('db.client.connection.wait_time', 'Time waited for a connection of the pool', [...this.#pools.values()]),
      gauge(
        'db.client.connection.max',
        'Connections the pool may hold',
        '1',
        poolPoints(({ max }) => max),
      ),
      gauge(
        'anneal.db.client.connection.peak',
        'Connections in use at the busiest moment since the last reading',
        '1',
        poolPoints(({ peakInUse }) => peakInUse),
      ),
      gauge(
        'anneal.policy.on',
        'Whether a policy is in force',
        '1',
        this.#policiesNow.map(({ id, on }) => ({ attributes: { 'anneal.policy': id }, value: on ? 1 : 0 })),
      ),
      counter(
        'anneal.policy.refused',
        'Requests, callers or calls that a policy refused',
        '1',
        [...this.#refusals].map(([id, refused]) => ({ attributes: { 'anneal.policy': id }, value: refused })),
      ),
      counter('process.cpu.time', 'CPU time of the process', 's', [{ attributes: {}, value: this.#cpuSeconds }]),
      counter('v8js.gc.time', 'Time in garbage collection', 's', [{ attributes: {}, value: this.#gcSeconds }]),
      ...(runtime === null
        ? []
        : [
            gauge('nodejs.eventloop.utilization', 'Share of the time since the last reading in which the event loop was busy', '1', [
              { attributes: {}, value: runtime.eventLoopUtilizationShare },
            ]),
            gauge('nodejs.eventloop.delay.p99', 'Delay of the event loop since the last reading, 99th percentile', 's', [
              { attributes: {}, value: quantileSeconds(runtime.eventLoopDelayUs, 0.99) },
            ]),
            gauge('nodejs.eventloop.delay.max', 'The longest such delay', 's', [
              { attributes: {}, value: runtime.eventLoopDelayUs.max / 1e6 },
            ]),
            gauge('process.memory.usage', 'Resident memory', 'By', [{ attributes: {}, value: runtime.residentBytes }]),
            gauge('v8js.memory.heap.used', 'Heap in use', 'By', [{ attributes: {}, value: runtime.heapUsedBytes }]),
          ]),
    ].filter(({ points }) => points.length > 0);
  }

  #addRoute(route: RouteSummary): void {
    const attributes = { 'http.request.method': route.method, 'http.route': route.route };
    const other = { 'http.request.method': '_OTHER', 'http.route': 'other' };
    const totals = seriesOf(this.#routes, `${route.method} ${route.route}`, (isOther) => new Durations(isOther ? other : attributes));
    totals.histogram.merge(route.durationUs);
    totals.errors += route.errors;
  }

  #addStatement(statement: StatementSummary, texts: ReadonlyMap<number, string>): void {
    const text = texts.get(statement.templateId) ?? '';
    const { location } = statement;
    const place = location === null ? {} : { 'code.file.path': location.file, 'code.line.number': location.line };
    const key = `${location?.file}:${location?.line} ${text}`;
    const totals = seriesOf(this.#statements, key, (isOther): StatementTotals => ({
      attributes: isOther ? { 'db.query.summary': 'other' } : { 'db.query.summary': shortened(text), ...place },
      calls: 0,
      seconds: 0,
      rows: 0,
    }));
    totals.calls += statement.calls;
    totals.seconds += statement.totalMs / 1000;
    totals.rows += statement.rows;
  }
}

function seriesOf<Series>(all: Map<string, Series>, wanted: string, make: (isOther: boolean) => Series): Series {
  const key = all.has(wanted) || all.size < mostSeries ? wanted : 'other';
  const known = all.get(key);
  if (known !== undefined) return known;
  const made = make(key !== wanted);
  all.set(key, made);
  return made;
}

function shortened(template: string): string {
  const text = template.replaceAll(/\s+/g, ' ').trim();
  return text.length <= longestStatement ? text : `${text.slice(0, longestStatement - 1)}…`;
}

function histogram(name: string, description: string, series: readonly Durations[]): Metric {
  const points = series.map(({ attributes, histogram: recorded }): Point => {
    const data = recorded.toData();
    return { attributes, count: data.count, sum: data.sum / 1e6, upTo: countsUpTo(data) };
  });
  return { name, description, unit: 's', kind: 'histogram', points };
}

/** A bucket that a bound cuts counts where its middle lies: buckets are 0.8 % wide. */
function countsUpTo(data: HistogramData): readonly number[] {
  const counts = bounds.map(() => 0);
  for (const [bucket, times] of data.buckets) {
    const { lower, width } = bucketRange(bucket, data.precisionBits);
    const seconds = (lower + (width - 1) / 2) / 1e6;
    bounds.forEach((bound, index) => {
      if (seconds <= bound) counts[index]! += times;
    });
  }
  return counts;
}

function quantileSeconds({ count, buckets, precisionBits, max }: HistogramData, share: number): number {
  let left = share * count;
  for (const [bucket, times] of buckets) {
    left -= times;
    if (left <= 0) return Math.min(bucketRange(bucket, precisionBits).lower, max) / 1e6;
  }
  return max / 1e6;
}

type Valued = { readonly attributes: Attributes; readonly value: number };

function counter(name: string, description: string, unit: Metric['unit'], points: readonly Valued[]): Metric {
  return { name, description, unit, kind: 'counter', points };
}

function gauge(name: string, description: string, unit: Metric['unit'], points: readonly Valued[]): Metric {
  return { name, description, unit, kind: 'gauge', points };
}
