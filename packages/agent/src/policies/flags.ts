/**
 * Whether a policy acts is one word of memory that two threads share: the channel's thread permits it, the
 * application's thread wants it, and it acts while both do. The hot path reads the word, so that `off` (switched by
 * Anneal, or Anneal gone or silent) is in effect as soon as the channel's thread has heard it, also while the
 * application's thread is busy and has not.
 */
const wanted = 1;
const permitted = 2;

/** Far more policies than one process has use for. */
const slots = 1024;

export function sharedFlags(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(slots * Int32Array.BYTES_PER_ELEMENT));
}

/** The application's side of one word. */
export class PolicyFlag {
  readonly #flags: Int32Array;
  readonly slot: number;
  #retired = false;

  constructor(flags: Int32Array, slot: number) {
    this.#flags = flags;
    this.slot = slot;
  }

  get on(): boolean {
    return !this.#retired && Atomics.load(this.#flags, this.slot) === (wanted | permitted);
  }

  want(on: boolean): void {
    if (on) Atomics.or(this.#flags, this.slot, wanted);
    else Atomics.and(this.#flags, this.slot, ~wanted);
  }

  /** Off for good: the word may be another policy's soon, and wrappers that could not be taken away still read this. */
  retire(): void {
    this.#retired = true;
  }
}

/** The channel thread's side of all words: it gives each policy that passes through a word of its own. */
export class Permissions {
  readonly #flags: Int32Array;
  readonly #policies = new Map<number, string>();
  #next = 0;

  constructor(flags: Int32Array) {
    this.#flags = flags;
  }

  get isEmpty(): boolean {
    return this.#policies.size === 0;
  }

  /** A permitted word for a policy on its way to the application; null when there are no more. */
  grant(policyId: string): number | null {
    if (this.#policies.size >= slots) return null;
    // In turn, so that a word is not given out again while the application may still hear of its last owner's end.
    while (this.#policies.has(this.#next)) this.#next = (this.#next + 1) % slots;
    const slot = this.#next;
    this.#next = (slot + 1) % slots;
    this.#policies.set(slot, policyId);
    Atomics.store(this.#flags, slot, permitted);
    return slot;
  }

  permit(policyId: string, on: boolean): void {
    for (const [slot, owner] of this.#policies) if (owner === policyId) this.#set(slot, on);
  }

  forbidAll(): void {
    for (const slot of this.#policies.keys()) this.#set(slot, false);
  }

  /** The application has ended the policy. */
  release(slot: number): void {
    this.#policies.delete(slot);
    Atomics.store(this.#flags, slot, 0);
  }

  #set(slot: number, on: boolean): void {
    if (on) Atomics.or(this.#flags, slot, permitted);
    else Atomics.and(this.#flags, slot, ~permitted);
  }
}
