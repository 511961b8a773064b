import { originalLocation, applicationFile, isAgentFile } from '../places/call-site.ts';
import { foldProfile } from './fold-profile.ts';
import type { HeapQuestion } from './heap-question.ts';
import { HeapSampling } from './heap-sampling.ts';
import { openRollingProfile, type RollingProfile } from './rolling-profile.ts';
import type { ProfileSummary } from '../protocol.ts';
import type { TimelineRecorder } from './timeline.ts';

/** Of what is observed: what a profile needs. */
interface Observed {
  readonly timeline: TimelineRecorder;
  readonly heapQuestion: HeapQuestion;
  /** Bytes; 0 where it is not known yet. */
  readonly allocatedPerCpuSecond: number;
  /** Without it, what runs for a request that is let pass would be another's. */
  openEvery(): () => void;
}

/** V8's sampling costs 4 % of a request of 11 queries at 10 ms, and 9 % at 1 ms. */
const intervalUs = 10_000;

/** Between two windows samples are kept for so long and then dropped: 6,000 of them, a quarter of a megabyte. */
const droppedEveryMs = 60_000;

/** V8's own sampling profilers, of CPU time and of the heap, through the inspector and without a port. */
export class Profiler {
  readonly #observed: Observed;
  #rolling: Promise<RollingProfile> | null = null;
  #dropping: NodeJS.Timeout | undefined;
  /** Not null while a profile is taken. */
  #heap: HeapSampling | null = null;
  #letPassAgain: (() => void) | null = null;

  constructor(observed: Observed) {
    this.#observed = observed;
  }

  /** From the first profile on V8 keeps whose code is whose: one started anew would miss what was compiled between. */
  #opened(): Promise<RollingProfile> {
    this.#rolling ??= openRollingProfile(intervalUs);
    this.#dropping ??= setInterval(() => {
      if (this.#heap === null) void this.#rolling?.then((rolling) => rolling.next()).catch(() => undefined);
    }, droppedEveryMs).unref();
    return this.#rolling;
  }

  /** Rejects where this Node was built without an inspector. */
  async start(): Promise<void> {
    const rolling = await this.#opened();
    if (this.#heap !== null) return;
    rolling.next();
    this.#letPassAgain = this.#observed.openEvery();
    this.#observed.timeline.start();
    this.#heap = new HeapSampling(rolling.session, this.#observed.heapQuestion, this.#observed.allocatedPerCpuSecond);
    await this.#heap.start();
  }

  /** Null when none was started. */
  async stop(): Promise<ProfileSummary | null> {
    const heap = this.#heap;
    if (heap === null) return null;
    this.#heap = null;
    this.#letPassAgain?.();
    const timeline = this.#observed.timeline.stop();
    const kinds = { applicationFile, isAgentFile, originalLocation };
    try {
      const rolling = await this.#opened();
      return { ...foldProfile(rolling.next(), intervalUs, kinds, timeline), heap: await heap.summary(kinds) };
    } finally {
      await heap.end();
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#dropping);
    try {
      await this.stop();
    } finally {
      (await this.#rolling)?.close();
    }
  }
}
