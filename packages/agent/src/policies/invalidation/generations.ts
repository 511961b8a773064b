import { sees, type Snapshot } from './snapshots.ts';

interface OutsideWrite {
  readonly transactionId: number;
  /** Whether some snapshot has shown that new readers see it. */
  seen: boolean;
}

/** Far more than arrive before a reader has shown that it sees the first. */
const mostOutsideWrites = 32;
const mostUnseenWrites = 1_000;

/** A table, a row, or (one of them) everything: what answers depend on and writes change. */
export class Tag {
  readonly name: string;
  /** When it last changed, by the clock of `Generations`. */
  bumpedAt = 0;
  /** Writes whose outcome is not known yet: nothing that depends on it is kept. */
  inFlight = 0;
  /** Of those, the ones that may be visible to others already: nothing that depends on it is served. */
  closing = 0;
  outside: OutsideWrite[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

/** What a read may still be wrong about: made before anything was read. */
export interface Lease {
  readonly at: number;
  /** By the clock that processes share; 0 where there is none. */
  readonly sharedAt: number;
  /** One per connection that was read from, each taken before its first read; empty where nobody outside writes. */
  readonly snapshots: readonly Snapshot[];
}

/** Some 200 bytes each. Beyond it all is forgotten, and everything kept with it. */
const mostTags = 50_000;

/**
 * Generations by tag, after the lease protocol: a read notes the clock, a write bumps its tags before the application
 * learns that it succeeded, and what was read stands only while none of its tags was bumped since. All of it happens
 * between two turns of the event loop, so that no reader sees half of a change.
 */
export class Generations {
  /** Every answer depends on it; unknown writes bump it. */
  readonly everything = new Tag('*');
  #clock = 1;
  #tags = new Map<string, Tag>();

  get clock(): number {
    return this.#clock;
  }

  tag(name: string): Tag {
    if (name === this.everything.name) return this.everything;
    const known = this.#tags.get(name);
    if (known !== undefined) return known;
    if (this.#tags.size >= mostTags) this.#forget();
    const tag = new Tag(name);
    // A tag that was forgotten may have been bumped until then; everything kept from before is gone with it.
    tag.bumpedAt = this.everything.bumpedAt;
    this.#tags.set(name, tag);
    return tag;
  }

  bump(tags: Iterable<Tag>): void {
    this.#clock += 1;
    for (const tag of tags) tag.bumpedAt = this.#clock;
  }

  flush(): void {
    this.bump([this.everything]);
  }

  /** Another writer's transaction is committed in the log; whether readers see it yet is told by their snapshots only. */
  writtenOutside(names: readonly string[], transactionId: number): void {
    for (const name of names) {
      const tag = this.tag(name);
      tag.outside.push({ transactionId, seen: false });
      if (tag.outside.length > mostOutsideWrites) this.#shorten(tag);
    }
  }

  /** Whether what was read may be kept. */
  keepable(tags: Iterable<Tag>, lease: Lease): boolean {
    if (!this.#stands(this.everything, lease) || this.everything.inFlight > 0) return false;
    for (const tag of tags) if (tag.inFlight > 0 || !this.#stands(tag, lease)) return false;
    return true;
  }

  /** Whether what was kept may be served: `passing` while a write may have become visible, which a moment later is known. */
  verdict(tags: readonly Tag[], lease: Lease): 'fresh' | 'passing' | 'stale' {
    let passing = this.everything.closing > 0;
    if (!this.#stands(this.everything, lease)) return 'stale';
    for (const tag of tags) {
      if (!this.#stands(tag, lease)) return 'stale';
      if (tag.closing > 0) passing = true;
    }
    return passing ? 'passing' : 'fresh';
  }

  #stands(tag: Tag, { at, snapshots }: Lease): boolean {
    if (tag.bumpedAt > at) return false;
    let stands = true;
    for (const write of tag.outside) {
      if (snapshots.length > 0 && snapshots.every((snapshot) => sees(snapshot, write.transactionId))) write.seen = true;
      else stands = false;
    }
    return stands;
  }

  /**
   * The oldest writes are forgotten once a reader saw them, because every later reader sees them too. Who read before
   * is refused by the bump. Where nobody saw any, new readers cannot either (a commit that waits for its standby).
   */
  #shorten(tag: Tag): void {
    const unseen = tag.outside.filter(({ seen }) => !seen);
    if (unseen.length < tag.outside.length) {
      tag.outside = unseen;
      this.bump([tag]);
    } else if (unseen.length > mostUnseenWrites) {
      // Nobody has read it for so long that nothing depends on it; a reader's own snapshot is asked about the last ones.
      tag.outside = unseen.slice(-mostUnseenWrites);
      this.bump([tag]);
    }
  }

  #forget(): void {
    this.flush();
    this.#tags = new Map([...this.#tags].filter(([, { inFlight }]) => inFlight > 0));
  }
}
