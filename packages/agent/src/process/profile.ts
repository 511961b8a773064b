import { originalLocation, applicationFile, isAgentFile } from '../places/call-site.ts';
import { foldProfile, type CpuProfile } from './fold-profile.ts';
import { HeapSampling, type HeapQuestion } from './heap-sampling.ts';
import { post, type InspectorSession } from './inspector-session.ts';
import type { ProfileSummary } from '../protocol.ts';
import type { TimelineRecorder } from './timeline.ts';

/** Of what is observed: what a profile needs. */
interface Observed {
  readonly timeline: TimelineRecorder;
  readonly heapQuestion: HeapQuestion;
}

/** Profiling at 10 ms stays inside the noise; at 1 ms it costs 9 % of a request. */
const intervalUs = 10_000;

/** V8's own sampling profilers, of CPU time and of the heap, through the inspector and without a port. */
export class Profiler {
  readonly #observed: Observed;
  #session: InspectorSession | null = null;
  #heap: HeapSampling | null = null;
  /** A process that ends while V8 still samples it may crash on its way out: SIGSEGV in place of its exit code, in one of ten. */
  readonly #endWithProcess = () => {
    this.#session?.disconnect();
    this.#session = null;
  };

  constructor(observed: Observed) {
    this.#observed = observed;
  }

  /** Rejects where this Node was built without an inspector. */
  async start(): Promise<void> {
    if (this.#session !== null) return;
    const { Session } = await import('node:inspector');
    const session = new Session() as InspectorSession;
    session.connect();
    this.#session = session;
    process.once('exit', this.#endWithProcess);
    await post(session, 'Profiler.enable');
    await post(session, 'Profiler.setSamplingInterval', { interval: intervalUs });
    this.#observed.timeline.start();
    await post(session, 'Profiler.start');
    this.#heap = new HeapSampling(session, this.#observed.heapQuestion);
    await this.#heap.start();
  }

  /** Null when none was started. */
  async stop(): Promise<ProfileSummary | null> {
    const session = this.#session;
    if (session === null) return null;
    this.#session = null;
    process.off('exit', this.#endWithProcess);
    try {
      const { profile } = (await post(session, 'Profiler.stop')) as { readonly profile: CpuProfile };
      const kinds = { applicationFile, isAgentFile, originalLocation };
      const folded = foldProfile(profile, intervalUs, kinds, this.#observed.timeline.stop());
      return { ...folded, heap: (await this.#heap?.stop(kinds)) ?? null };
    } finally {
      session.disconnect();
    }
  }
}
