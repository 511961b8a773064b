import { Histogram, type HistogramData } from '../histogram.ts';

const valuesBeforeBuckets = 64;

/** A histogram whose buckets (8 kB) are made only when it holds enough values to be worth them: most routes of a crawl never are. */
export class Durations {
  #values: number[] = [];
  #histogram: Histogram | null = null;

  recordMs(durationMs: number, times = 1): void {
    if (times === 0) return;
    const valueUs = durationMs * 1000;
    if (this.#histogram === null && times === 1) {
      this.#values.push(valueUs);
      if (this.#values.length >= valuesBeforeBuckets) this.#fill();
    } else (this.#histogram ?? this.#fill()).record(valueUs, times);
  }

  toData(): HistogramData {
    return (this.#histogram ?? this.#fill()).toData();
  }

  #fill(): Histogram {
    const histogram = new Histogram();
    for (const value of this.#values) histogram.record(value);
    this.#values = [];
    this.#histogram = histogram;
    return histogram;
  }
}
