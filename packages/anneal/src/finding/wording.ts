/** Numbers as findings say them: three significant digits, a space before the unit, never more precision than evidence. */

export function percent(share: number): string {
  return `${significant(share * 100)} %`;
}

export function milliseconds(durationMs: number): string {
  if (durationMs >= 10_000) return `${significant(durationMs / 1000)} s`;
  return durationMs >= 1 || durationMs === 0 ? `${significant(durationMs)} ms` : `${significant(durationMs * 1000)} µs`;
}

export function bytes(sizeBytes: number): string {
  if (sizeBytes >= 1e9) return `${significant(sizeBytes / 1e9)} GB`;
  if (sizeBytes >= 1e6) return `${significant(sizeBytes / 1e6)} MB`;
  return sizeBytes >= 1e3 ? `${significant(sizeBytes / 1e3)} kB` : `${significant(sizeBytes)} B`;
}

export function quantity(value: number): string {
  return significant(value);
}

function significant(value: number): string {
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.min(Math.max(2 - magnitude, 0), 6);
  return Number(value.toFixed(decimals)).toLocaleString('en', { maximumFractionDigits: decimals });
}
