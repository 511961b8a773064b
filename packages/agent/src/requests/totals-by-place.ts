import type { SourceLocation } from '../protocol.ts';
import type { Room } from '../room.ts';

/** What is added up for each subject (a statement, another service) and place, within a bound of its own and one that is shared. */
export class TotalsByPlace<Subject, Totals extends { readonly location: SourceLocation | null }> {
  readonly #most: number;
  readonly #room: Room;
  readonly #make: (subject: Subject, location: SourceLocation | null) => Totals;
  readonly #bySubject = new Map<Subject, Totals[]>();
  #count = 0;

  /** `room` is shared by all routes of a window. */
  constructor(most: number, room: Room, make: (subject: Subject, location: SourceLocation | null) => Totals) {
    this.#most = most;
    this.#room = room;
    this.#make = make;
  }

  /** Null when there is no room for another one. */
  of(subject: Subject, location: SourceLocation | null): Totals | null {
    const places = this.#bySubject.get(subject);
    const known = places?.find((totals) => totals.location === location);
    if (known !== undefined) return known;
    if (this.#count >= this.#most || !this.#room.take(1)) return null;
    this.#count += 1;
    const fresh = this.#make(subject, location);
    if (places === undefined) this.#bySubject.set(subject, [fresh]);
    else places.push(fresh);
    return fresh;
  }

  /** Those of that place, or of whichever place is known. */
  seen(subject: Subject, location: SourceLocation | null): Totals | null {
    const places = this.#bySubject.get(subject);
    return places?.find((totals) => totals.location === location) ?? places?.[0] ?? null;
  }

  *all(): Iterable<Totals> {
    for (const places of this.#bySubject.values()) yield* places;
  }
}
