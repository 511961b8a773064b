import { bounds, type Attributes, type Metric } from './metric.ts';

/** https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** Names are translated as OpenTelemetry's compatibility specification says: dots to underscores, the unit behind, `_total` for counters. */
export function prometheusText(metrics: readonly Metric[]): string {
  return metrics.map(familyText).join('');
}

const unitNames = { s: '_seconds', By: '_bytes', '1': '' } as const;

function familyText({ name, description, unit, kind, points }: Metric): string {
  const base = `${name.replaceAll(/\W/g, '_')}${kind === 'gauge' && unit === '1' && name.endsWith('utilization') ? '_ratio' : unitNames[unit]}`;
  const family = kind === 'counter' ? `${base}_total` : base;
  const lines = points.flatMap((point) => {
    if ('value' in point) return [`${family}${labels(point.attributes)} ${point.value}`];
    return [
      ...bounds.map((bound, index) => `${family}_bucket${labels({ ...point.attributes, le: String(bound) })} ${point.upTo[index]}`),
      `${family}_bucket${labels({ ...point.attributes, le: '+Inf' })} ${point.count}`,
      `${family}_sum${labels(point.attributes)} ${point.sum}`,
      `${family}_count${labels(point.attributes)} ${point.count}`,
    ];
  });
  return [`# HELP ${family} ${description}`, `# TYPE ${family} ${kind}`, ...lines, ''].join('\n');
}

function labels(attributes: Attributes): string {
  const pairs = Object.entries(attributes).map(([name, value]) => `${name.replaceAll(/\W/g, '_')}="${escaped(String(value))}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
