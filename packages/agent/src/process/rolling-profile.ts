import type { CpuProfile } from './fold-profile.ts';
import { post, type InspectorSession } from './inspector-session.ts';

/** What V8 samples from `openRollingProfile` to `close`, in pieces. */
export interface RollingProfile {
  readonly session: InspectorSession;
  /** Ends the running piece and returns it; the next is already running. Throws where the application has ended it (`console.profileEnd`, by its title). */
  next(): CpuProfile;
  close(): void;
}

/** Chrome DevTools Protocol, `Profiler.consoleProfileFinished`. */
interface Finished {
  readonly title?: string;
  readonly profile: CpuProfile;
}

/**
 * V8's CPU profiler, without a gap between one profile and the next: each begins before the last one ends.
 *
 * V8 forgets which code is whose when no profile is running any more, and a new one looks for it at functions only: code
 * that hangs at nothing but a feedback vector is left out (`EnumerateCompiledFunctions` in V8's log.cc says so). That is
 * what a hot loop runs in: it was compiled while it ran (on-stack replacement). Warm before the profile starts, it has no
 * name in it, and its time is its caller's or nobody's. Code that is compiled while a profile is running is known.
 * The search also walks the whole heap, 50 ms of the main thread for 25 MB: once at a server's start, and not in every window.
 *
 * `Profiler.start` knows one profile at a time; those of the console may overlap, and V8 keeps one profiler for all of them.
 *
 * Rejects where this Node was built without an inspector.
 */
export async function openRollingProfile(intervalUs: number): Promise<RollingProfile> {
  const inspector = await import('node:inspector');
  const session = new inspector.Session() as InspectorSession;
  session.connect();
  let pieces = 0;
  let finished: Finished | null = null;
  const title = () => `anneal ${pieces}`;
  const begin = () => {
    pieces += 1;
    inspector.console.profile(title());
  };
  session.on('Profiler.consoleProfileFinished', ({ params }) => {
    finished = params as Finished;
  });
  /** A process that ends while V8 still samples it may crash on its way out: SIGSEGV in place of its exit code, in one of ten. */
  const endWithProcess = () => session.disconnect();
  process.once('exit', endWithProcess);
  const close = () => {
    process.off('exit', endWithProcess);
    session.disconnect();
  };
  try {
    await post(session, 'Profiler.enable');
    await forgetOptimisedCode(session);
    await post(session, 'Profiler.setSamplingInterval', { interval: intervalUs });
    begin();
  } catch (error) {
    close();
    throw error;
  }
  return {
    session,
    next() {
      const ending = title();
      begin();
      finished = null;
      // The event arrives within the call.
      inspector.console.profileEnd(ending);
      const { profile } = endedAs(ending, finished);
      return profile;
    },
    close,
  };
}

function endedAs(title: string, finished: Finished | null): Finished {
  if (finished?.title !== title) throw new Error('it was ended by something other than the agent');
  return finished;
}

/**
 * What was optimised before the first profile has no names either. V8 has one way to drop it: exact coverage begins by
 * undoing all optimised code, because that does not count. What is needed is compiled again within a second or two, with
 * its names. Where somebody does count coverage it is left to them: the mode is the whole process's.
 */
async function forgetOptimisedCode(session: InspectorSession): Promise<void> {
  if (process.env['NODE_V8_COVERAGE'] !== undefined) return;
  await post(session, 'Profiler.startPreciseCoverage', { callCount: false, detailed: false });
  await post(session, 'Profiler.stopPreciseCoverage');
}
