import { parametersKey } from '../policies/cache-statements/kept-result.ts';
import type { RepetitionSummary } from '../protocol.ts';
import type { Call } from '../requests/request.ts';
import type { Room } from '../room.ts';

/** Of one statement in one window; calls with others are not known to be repeats. */
const mostParameterSets = 1_024;
const longestKey = 512;

/**
 * How often one statement is asked the same again, by whichever request: of requests whose answers are looked at (see
 * `examination.ts`), so that a call costs nothing here and traffic makes no difference. Where a sample or the room is too small
 * for all parameters, fewer repeats are seen than there are and never more.
 */
export class Repetition {
  readonly #room: Room;
  readonly #asked = new Set<string>();
  #calls = 0;
  #repeats = 0;

  /** `room`: for keys, in characters, shared by all statements. */
  constructor(room: Room) {
    this.#room = room;
  }

  /** Told apart as `cache-statements` does; what it would not keep is no repeat: a statement on a connection that the application took out. */
  add({ literals, values, checkout }: Call): void {
    this.#calls += 1;
    const parameters = checkout === null ? parametersKey(values) : null;
    if (parameters === null) return;
    const key = literals + parameters;
    if (this.#asked.has(key)) this.#repeats += 1;
    else if (key.length <= longestKey && this.#asked.size < mostParameterSets && this.#room.take(characters(key))) this.#asked.add(key);
  }

  toSummary(): RepetitionSummary {
    return { calls: this.#calls, repeats: this.#repeats };
  }

  /** It is not asked again. */
  forget(): void {
    for (const key of this.#asked) this.#room.giveBack(characters(key));
    this.#asked.clear();
  }
}

/** With what a Set takes for an entry. */
function characters(key: string): number {
  return key.length + 64;
}
