import type { SourceLocation } from '../protocol.ts';

const mostUnknown = 5;

/** Routes send errors, empty lists and lists from different lines: so many stacks show the usual one. */
const knownWellFrom = 8;

/** From where one route is known to use one template or pool, or to send its answers; kept over windows. */
export class KnownPlaces {
  readonly #calls = new Map<SourceLocation, number>();
  #usual: SourceLocation | null = null;
  #unknown = 0;

  add(location: SourceLocation, calls: number): void {
    const total = (this.#calls.get(location) ?? 0) + calls;
    this.#calls.set(location, total);
    if (this.#usual === null || total > this.#calls.get(this.#usual)!) this.#usual = location;
  }

  /** Whether more stacks would only say again which one is the usual. */
  get areKnownWell(): boolean {
    return this.#calls.values().reduce((sum, calls) => sum + calls, 0) >= knownWellFrom;
  }

  get several(): boolean {
    return this.#calls.size > 1;
  }

  /** The one seen most often; null when none was. */
  get usual(): SourceLocation | null {
    return this.#usual;
  }

  /** Whether it is worth asking for stacks: some drivers never show the caller, and each stack costs. */
  wanted(): boolean {
    this.#unknown += 1;
    return this.#unknown <= mostUnknown;
  }
}
