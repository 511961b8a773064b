import type { Lease, Tag } from './generations.ts';

export interface Kept<Value> extends Lease {
  readonly key: string;
  readonly value: Value;
  readonly tags: readonly Tag[];
  readonly sizeBytes: number;
  readonly keptAtMs: number;
}

/** What an entry takes besides its value, roughly: the objects, the map's slot, the tags. */
const overheadBytes = 600;

/** A map that holds so many bytes and lets the least recently used go first. */
export class KeptValues<Value> {
  readonly #maximumBytes: number;
  readonly #byKey = new Map<string, Kept<Value>>();
  sizeBytes = 0;

  constructor(maximumBytes: number) {
    this.#maximumBytes = maximumBytes;
  }

  get count(): number {
    return this.#byKey.size;
  }

  get(key: string): Kept<Value> | null {
    const kept = this.#byKey.get(key);
    if (kept === undefined) return null;
    this.#byKey.delete(key);
    this.#byKey.set(key, kept);
    return kept;
  }

  keep(key: string, value: Value, valueBytes: number, tags: Iterable<Tag>, { at, sharedAt, snapshots }: Lease): void {
    this.drop(key);
    const own = [...tags];
    const sizeBytes = overheadBytes + 2 * key.length + valueBytes + 16 * own.length;
    // One that would push out an eighth of all others is not worth its place.
    if (sizeBytes > this.#maximumBytes / 8) return;
    this.#byKey.set(key, { key, value, tags: own, at, sharedAt, snapshots: [...snapshots], sizeBytes, keptAtMs: performance.now() });
    this.sizeBytes += sizeBytes;
    for (const oldest of this.#byKey.values()) {
      if (this.sizeBytes <= this.#maximumBytes) return;
      this.drop(oldest.key);
    }
  }

  drop(key: string): void {
    const kept = this.#byKey.get(key);
    if (kept === undefined) return;
    this.#byKey.delete(key);
    this.sizeBytes -= kept.sizeBytes;
  }

  clear(): void {
    this.#byKey.clear();
    this.sizeBytes = 0;
  }
}
