import { stat } from 'node:fs/promises';
import type { Observer } from '../observer.ts';
import { tellingOperator } from '../operator.ts';
import type { StandingPolicies } from '../policies/standing.ts';
import type { PolicySummary } from '../protocol.ts';
import { holdVariable } from './agreed.ts';
import { Channel, type Circumstances } from './channel.ts';

/** How often it is looked whether a holder is there. Looking for a file costs some 50 us. */
const lookEveryMs = 1_000;

/**
 * Lets `anneal hold` put policies in force at a socket that an operator named in the environment, as often as it comes. The
 * application does not wait for it, does not need it, and is as it was without the agent's policies whenever it is not there.
 *
 * Whoever listens at that path may change what the application does: it has to belong to the application's own user, or to root.
 */
export class Attendance {
  readonly #path: string;
  readonly #channel: Channel;
  readonly #operator = tellingOperator();

  constructor(path: string, observer: Observer, standing: StandingPolicies | null, circumstances: Pick<Circumstances, 'observesAnyway'>) {
    this.#path = path;
    this.#channel = new Channel(path, observer, standing, { ...circumstances, ended: () => this.#lookLater() });
  }

  begin(): void {
    void this.#look();
  }

  take(): readonly PolicySummary[] {
    return this.#channel.take();
  }

  async #look(): Promise<void> {
    if (await this.#mayHold()) this.#channel.open();
    else this.#lookLater();
  }

  #lookLater(): void {
    setTimeout(() => void this.#look(), lookEveryMs).unref();
  }

  async #mayHold(): Promise<boolean> {
    try {
      const { uid } = await stat(this.#path);
      // Absent on Windows, where named pipes have lists of their own.
      const own = process.getuid?.();
      if (own === undefined || uid === own || uid === 0) return true;
      this.#operator(`${holdVariable}=${this.#path}: it belongs to the user ${uid}, and nobody else's policies are put in force`);
      return false;
    } catch {
      return false;
    }
  }
}
