import type { MetricId } from '../prediction/prediction.ts';
import type { Estimate } from '../stats/estimate.ts';

/**
 * Numbers as reports print them: a true minus sign, a narrow unit behind a space, three significant digits at most.
 * None of these functions rounds a change to 0 % or to -100 % that is not one.
 */

/** Milliseconds in the unit a person would choose: 0.24 -> "240 µs", 93 000 -> "1 min 33 s". */
export function duration(ms: number): string {
  const size = Math.abs(ms);
  if (size >= 60_000) {
    const seconds = Math.round(size / 1000);
    const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
    const parts = hours > 0 ? [`${hours} h`, `${minutes} min`] : [`${minutes} min`, ...(rest === 0 ? [] : [`${rest} s`])];
    return `${ms < 0 ? '−' : ''}${parts.join(' ')}`;
  }
  if (size >= 1000) return `${significant(ms / 1000)} s`;
  return size >= 1 || size === 0 ? `${significant(ms)} ms` : `${significant(ms * 1000)} µs`;
}

export function bytes(size: number): string {
  const [unit, scale] = byteUnits.find(([, least]) => Math.abs(size) >= least) ?? (['B', 1] as const);
  return `${significant(size / scale)} ${unit}`;
}

const byteUnits = [
  ['TB', 1e12],
  ['GB', 1e9],
  ['MB', 1e6],
  ['kB', 1e3],
] as const;

/** A count or a plain figure with thousands separated. */
export function quantity(value: number): string {
  return Number.isInteger(value) ? unsigned(value.toLocaleString('en')) : significant(value);
}

/** A share of 0-1: 0.412 -> "41 %". */
export function share(value: number): string {
  return `${digitsOfPercent(value * 100)} %`;
}

/** A relative change with its sign: -0.62 -> "−62 %". */
export function change(value: number): string {
  return `${signed(value)} %`;
}

/** "−62 % (−66 … −57 %, 95 %)"; without rounds to rest on it says so. For `errors`, percentage points. */
export function interval(estimate: Estimate, metric?: string): string {
  if (estimate.confidenceLevel === 0) return 'not measured';
  const unit = metric === 'errors' ? 'points' : '%';
  const { point, lower, upper, confidenceLevel } = estimate;
  // One digit more where both ends would read the same.
  const more = lower !== upper && signed(lower) === signed(upper) ? 1 : 0;
  return `${signed(point, more)} ${unit} (${signed(lower, more)} … ${signed(upper, more)} ${unit}, ${level(confidenceLevel)})`;
}

/** A confidence level: 0.95 -> "95 %", 0.98626 -> "98.6 %". */
export function level(confidenceLevel: number): string {
  return `${Number((Math.floor(confidenceLevel * 1000) / 10).toFixed(1))} %`;
}

/** One value of a trial's metric in its own unit (see `Slice`). */
export function metricValue(metric: string, value: number): string {
  if (metric === 'errors') return share(value);
  if (metric.startsWith('latency.')) return duration(value / 1000);
  return metric === 'memory' || /^(?:response|wal)\.bytes(?::|$)/.test(metric) ? bytes(value) : duration(value);
}

/** What a metric is called: `latency.p95:GET /orders` -> "p95 latency of GET /orders". */
export function metricName(metric: string): string {
  const [name = metric, ...rest] = metric.split(':');
  const subject = rest.join(':');
  if (name === 'route.time') return `request time of ${subject}`;
  if (name === 'connect.time') return `time to connect of ${subject}`;
  if (name === 'response.bytes' && subject !== '') return `bytes per answer of ${subject}`;
  const plain = metricNames[name as MetricId] ?? name;
  if (subject === '') return plain;
  if (name !== 'database.time' && name !== 'wal.bytes') return `${plain} of ${subject}`;
  return subject === 'untouched' ? `${plain} of untouched statements` : `${plain} behind ${subject}`;
}

const metricNames: Readonly<Partial<Record<MetricId, string>>> = {
  'answer.interval': 'time per answer given',
  'cpu.time': 'CPU time',
  'database.time': 'database time',
  'pool.wait': 'pool wait',
  'response.bytes': 'bytes answered',
  'latency.p50': 'p50 latency',
  'latency.p95': 'p95 latency',
  'latency.p99': 'p99 latency',
  errors: 'errors',
  memory: 'memory',
  'wal.bytes': 'write-ahead log',
};

/** A value of evidence with its UCUM unit in the words of reports. */
export function evidenceValue(value: number | string, unit: string): string {
  if (typeof value === 'string') return value;
  if (unit === 'ms') return duration(value);
  if (unit === 'us') return duration(value / 1000);
  if (unit === 's') return duration(value * 1000);
  if (unit === 'By') return bytes(value);
  if (unit === '%') return share(value / 100);
  return unit === '1' || unit === '' ? quantity(value) : `${quantity(value)} ${unit}`;
}

/** "1 finding", "3 findings". */
export function counted(amount: number, one: string, many = `${one}s`): string {
  return `${quantity(amount)} ${amount === 1 ? one : many}`;
}

/** To the minute, in UTC, the same wherever it is read. */
export function moment(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`;
}

/** Text of the target on one line, without the control and direction characters that rewrite a terminal or a page. */
export function plain(text: string): string {
  return text
    .replaceAll(/\s+/gu, ' ')
    .replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, '')
    .trim();
}

function signed(value: number, more = 0): string {
  const digits = digitsOfPercent(Math.abs(value) * 100, more);
  if (Number(digits) === 0) return '±0';
  return value < 0 ? `−${digits}` : `+${digits}`;
}

/** Two digits are what an interval of a trial supports; near 0 and near 100 the third says something. */
function digitsOfPercent(percent: number, more = 0): string {
  const size = Math.abs(percent);
  const decimals = more + (size >= 99 && size < 100 ? 1 : size >= 10 || size === 0 ? 0 : size >= 1 ? 1 : 2);
  // Down, where rounding would claim that all of it is gone.
  const figure = size > 99 && size < 100 ? Math.floor(size * 10 ** decimals) / 10 ** decimals : size;
  const digits = Number(figure.toFixed(decimals)).toLocaleString('en', { maximumFractionDigits: 3 });
  return percent < 0 ? `−${digits}` : digits;
}

function significant(value: number): string {
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.min(Math.max(2 - magnitude, 0), 6);
  return unsigned(Number(value.toFixed(decimals)).toLocaleString('en', { maximumFractionDigits: decimals }));
}

function unsigned(digits: string): string {
  return digits.replace(/^-/, '−');
}
