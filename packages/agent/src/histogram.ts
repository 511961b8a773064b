/**
 * A log-linear histogram of whole microseconds: 2^precisionBits equal buckets per power of two, so
 * that a quantile is off by at most 2^-precisionBits of its value (0.8 % at 7 bits). Buckets are
 * the same everywhere, so histograms of processes, threads and slices add up exactly.
 */
export class Histogram {
  readonly precisionBits: number;
  count = 0;
  sum = 0;
  min = Number.POSITIVE_INFINITY;
  max = 0;
  #buckets: Uint32Array;

  constructor(precisionBits = 7) {
    this.precisionBits = precisionBits;
    this.#buckets = new Uint32Array(8 << precisionBits);
  }

  /** Values are rounded; negative ones count as 0 and those beyond 35 minutes as 35 minutes. */
  record(valueUs: number, times = 1): void {
    const value = Math.min(Math.max(Math.round(valueUs), 0), largestValueUs);
    this.#add(bucketOf(value, this.precisionBits), times);
    this.count += times;
    this.sum += value * times;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  merge(other: HistogramData): void {
    if (other.precisionBits !== this.precisionBits) {
      throw new RangeError(`histograms of ${other.precisionBits} and ${this.precisionBits} bits do not add up`);
    }
    for (const [bucket, times] of other.buckets) this.#add(bucket, times);
    this.count += other.count;
    this.sum += other.sum;
    if (other.count > 0) {
      this.min = Math.min(this.min, other.min);
      this.max = Math.max(this.max, other.max);
    }
  }

  toData(): HistogramData {
    const buckets: [number, number][] = [];
    this.#buckets.forEach((times, bucket) => {
      if (times > 0) buckets.push([bucket, times]);
    });
    return {
      precisionBits: this.precisionBits,
      count: this.count,
      sum: this.sum,
      min: this.count === 0 ? 0 : this.min,
      max: this.max,
      buckets,
    };
  }

  reset(): void {
    this.#buckets.fill(0);
    this.count = 0;
    this.sum = 0;
    this.min = Number.POSITIVE_INFINITY;
    this.max = 0;
  }

  #add(bucket: number, times: number): void {
    if (bucket >= this.#buckets.length) {
      const grown = new Uint32Array(Math.max(this.#buckets.length * 2, bucket + 1));
      grown.set(this.#buckets);
      this.#buckets = grown;
    }
    this.#buckets[bucket]! += times;
  }
}

/** The wire and storage form. `buckets` holds [bucket, count] for buckets that are not empty, ascending. */
export interface HistogramData {
  readonly precisionBits: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly buckets: readonly (readonly [number, number])[];
}

/** The histogram of a whole of which this one is a sample: every bucket times `factor`, rounded. */
export function scaledHistogram(data: HistogramData, factor: number): HistogramData {
  if (factor === 1) return data;
  const buckets = data.buckets.map(([bucket, times]) => [bucket, Math.round(times * factor)] as const);
  return { ...data, buckets, count: buckets.reduce((sum, [, times]) => sum + times, 0), sum: Math.round(data.sum * factor) };
}

/** The value range one bucket stands for: `lower <= value < lower + width`. */
export function bucketRange(bucket: number, precisionBits: number): { readonly lower: number; readonly width: number } {
  const perOctave = 1 << precisionBits;
  if (bucket < perOctave) return { lower: bucket, width: 1 };
  const shift = (bucket >> precisionBits) - 1;
  return { lower: ((bucket & (perOctave - 1)) + perOctave) * 2 ** shift, width: 2 ** shift };
}

/** 2^31 - 1 us, about 35 minutes: what a 32-bit bucket index can still tell apart. */
const largestValueUs = 2 ** 31 - 1;

function bucketOf(value: number, precisionBits: number): number {
  const perOctave = 1 << precisionBits;
  if (value < perOctave) return value;
  const shift = 31 - Math.clz32(value) - precisionBits;
  return ((shift + 1) << precisionBits) + ((value >>> shift) - perOctave);
}
