import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import { Histogram } from '../histogram.ts';
import type { RuntimeSummary } from '../protocol.ts';

/**
 * The event loop is asked whether it is late at random moments this far apart in the mean: what comes regularly is met as
 * often as anything else. A due time that is always near has the kernel set its clock anew for each wait of the loop: with one
 * every 10 ms a request of 11 queries cost 4 % more CPU on a virtual machine.
 */
const samplingMs = 50;

const tellingCpuSeconds = 0.5;

/** CPU, event loop, garbage collection and memory of this process, since the last `take`. */
export class Runtime {
  readonly #delay = new Histogram();
  readonly #collections = new PerformanceObserver((list) => this.#collected(list.getEntries()));
  #timer: NodeJS.Timeout | null = null;
  #gcMs = 0;
  #gcCount = 0;
  #cpu = process.cpuUsage();
  /** Of the last window that was at work for long enough to tell. */
  #allocatedPerCpuSecond = 0;
  #utilization = performance.eventLoopUtilization();

  start(): void {
    this.#askAgain();
    this.#collections.observe({ entryTypes: ['gc'] });
  }

  #askAgain(): void {
    const delayMs = Math.ceil(samplingMs * (0.5 + Math.random()));
    const dueAt = performance.now() + delayMs;
    this.#timer = setTimeout(() => {
      this.#delay.record((performance.now() - dueAt) * 1000);
      this.#askAgain();
    }, delayMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#collections.disconnect();
  }

  /** Bytes for each second of CPU, as far as is known; 0 while nothing is. */
  get allocatedPerCpuSecond(): number {
    this.#learnAllocation();
    return this.#allocatedPerCpuSecond;
  }

  /** From collections of the young generation: each comes when it is full. */
  #learnAllocation(): void {
    const { user, system } = process.cpuUsage(this.#cpu);
    const cpuSeconds = (user + system) / 1e6;
    if (cpuSeconds < tellingCpuSeconds) return;
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    this.#allocatedPerCpuSecond = (this.#gcCount * (young?.space_size ?? 0)) / cpuSeconds;
  }

  take(): RuntimeSummary {
    if (this.#timer !== null) this.#collected(this.#collections.takeRecords());
    // The next window may be asked before it can tell.
    this.#learnAllocation();
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
