import { PerformanceObserver } from 'node:perf_hooks';
import { Histogram } from '../histogram.ts';
import type { RuntimeSummary } from '../protocol.ts';

/** How often the event loop is asked whether it is late; a blocking of this length or more cannot hide. */
const samplingMs = 10;

/** CPU, event loop, garbage collection and memory of this process, since the last `take`. */
export class Runtime {
  readonly #delay = new Histogram();
  readonly #collections = new PerformanceObserver((list) => this.#collected(list.getEntries()));
  #timer: NodeJS.Timeout | null = null;
  #gcMs = 0;
  #gcCount = 0;
  #cpu = process.cpuUsage();
  #utilization = performance.eventLoopUtilization();

  start(): void {
    let dueAt = performance.now() + samplingMs;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#delay.record((now - dueAt) * 1000);
      dueAt = now + samplingMs;
    }, samplingMs);
    this.#timer.unref();
    this.#collections.observe({ entryTypes: ['gc'] });
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#collections.disconnect();
  }

  take(): RuntimeSummary {
    if (this.#timer !== null) this.#collected(this.#collections.takeRecords());
    const cpu = process.cpuUsage(this.#cpu);
    const utilization = performance.eventLoopUtilization();
    const { heapUsed, rss } = process.memoryUsage();
    const summary: RuntimeSummary = {
      cpuMs: (cpu.user + cpu.system) / 1000,
      eventLoopUtilizationShare: performance.eventLoopUtilization(utilization, this.#utilization).utilization,
      eventLoopDelayUs: this.#delay.toData(),
      gcMs: this.#gcMs,
      gcCount: this.#gcCount,
      heapUsedBytes: heapUsed,
      residentBytes: rss,
    };
    this.#cpu = process.cpuUsage();
    this.#utilization = utilization;
    this.#delay.reset();
    this.#gcMs = 0;
    this.#gcCount = 0;
    return summary;
  }

  #collected(entries: readonly { readonly duration: number }[]): void {
    for (const entry of entries) {
      this.#gcMs += entry.duration;
      this.#gcCount += 1;
    }
  }
}
