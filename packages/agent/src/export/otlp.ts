import { bounds, type Attributes, type Metric, type Point } from './metric.ts';

/** OTLP 1.x as JSON, an ExportMetricsServiceRequest; cumulative, as the SDKs send it. Times are milliseconds since 1970. */
export function otlpJson(metrics: readonly Metric[], resource: Attributes, fromMs: number, nowMs: number): unknown {
  const times = { startTimeUnixNano: nanoseconds(fromMs), timeUnixNano: nanoseconds(nowMs) };
  return {
    resourceMetrics: [
      {
        resource: { attributes: keyValues(resource) },
        scopeMetrics: [{ scope: { name: '@anneal/agent' }, metrics: metrics.map((metric) => otlpMetric(metric, times)) }],
      },
    ],
  };
}

const cumulative = 2;

function otlpMetric({ name, description, unit, kind, points }: Metric, times: object): unknown {
  const dataPoints = points.map((point) => ({ attributes: keyValues(point.attributes), ...times, ...otlpValue(point) }));
  const head = { name, description, unit };
  if (kind === 'gauge') return { ...head, gauge: { dataPoints } };
  if (kind === 'histogram') return { ...head, histogram: { dataPoints, aggregationTemporality: cumulative } };
  return { ...head, sum: { dataPoints, aggregationTemporality: cumulative, isMonotonic: true } };
}

function otlpValue(point: Point): object {
  if ('value' in point) return { asDouble: point.value };
  const { count, sum, upTo } = point;
  const inside = [...upTo, count].map((total, index) => total - (index === 0 ? 0 : upTo[index - 1]!));
  return { count: String(count), sum, explicitBounds: bounds, bucketCounts: inside.map(String) };
}

function keyValues(attributes: Attributes): unknown {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }));
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}
