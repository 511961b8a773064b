import type { Lease, Tag } from './generations.ts';
import { parseSnapshot, type Snapshot } from './snapshots.ts';

/** What one computation has read of the database so far: an answer's, or a statement's. */
export class Reading implements Lease {
  readonly at: number;
  readonly sharedAt: number;
  readonly tags = new Set<Tag>();
  readonly snapshots: Snapshot[] = [];
  /** Why its result is not kept; null while nothing speaks against it. */
  refusal: string | null = null;
  /** Statements whose meaning is known, reads all of them. */
  reads = 0;
  readonly #seenOn = new Set<object>();
  /** Snapshots that were asked for and have not come. */
  #outstanding = 0;

  constructor(at: number, sharedAt: number) {
    this.at = at;
    this.sharedAt = sharedAt;
  }

  refuse(reason: string): void {
    this.refusal ??= reason;
  }

  read(tags: readonly Tag[]): void {
    this.reads += 1;
    for (const tag of tags) this.tags.add(tag);
  }

  /** Whether a snapshot has to be taken on this connection before it is read from. */
  wantsSnapshot(connection: object): boolean {
    if (this.#seenOn.has(connection)) return false;
    this.#seenOn.add(connection);
    this.#outstanding += 1;
    return true;
  }

  snapshotTaken(text: unknown): void {
    this.#outstanding -= 1;
    const snapshot = parseSnapshot(text);
    if (snapshot === null) this.refuse('the server did not say what the read could see');
    else this.snapshots.push(snapshot);
  }

  /** Read elsewhere, and still standing: counts as read now. */
  includes(tags: readonly Tag[], { snapshots }: Lease): void {
    this.read(tags);
    this.snapshots.push(...snapshots);
  }

  get complete(): boolean {
    return this.refusal === null && this.reads > 0 && this.#outstanding === 0;
  }
}
