import { originalLocation, applicationFile, isAgentFile } from './call-site.ts';
import { foldProfile, type CpuProfile } from './fold-profile.ts';
import type { ProfileSummary } from './protocol.ts';

/** Profiling at 10 ms stays inside the noise; at 1 ms it costs 9 % of a request. */
const intervalUs = 10_000;

interface Session {
  connect(): void;
  disconnect(): void;
  post(method: string, parameters: object, done: (error: Error | null, result: unknown) => void): void;
}

/** V8's own sampling profiler, through the inspector and without a port. */
export class Profiler {
  #session: Session | null = null;

  /** Rejects where this Node was built without an inspector. */
  async start(): Promise<void> {
    if (this.#session !== null) return;
    const { Session } = await import('node:inspector');
    const session = new Session() as Session;
    session.connect();
    this.#session = session;
    await post(session, 'Profiler.enable');
    await post(session, 'Profiler.setSamplingInterval', { interval: intervalUs });
    await post(session, 'Profiler.start');
  }

  /** Null when none was started. */
  async stop(): Promise<ProfileSummary | null> {
    const session = this.#session;
    if (session === null) return null;
    this.#session = null;
    try {
      const { profile } = (await post(session, 'Profiler.stop')) as { readonly profile: CpuProfile };
      return foldProfile(profile, intervalUs, { applicationFile, isAgentFile, originalLocation });
    } finally {
      session.disconnect();
    }
  }
}

function post(session: Session, method: string, parameters: object = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    session.post(method, parameters, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}
