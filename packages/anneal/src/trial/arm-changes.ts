import type { ChangeListener, ChangeStream, ChangeStreams } from '../ports/change-stream.ts';

/** The streams of one arm's database, by policy. They end before the arm does: a database that is followed cannot be dropped. */
export class ArmChanges {
  readonly #changes: ChangeStreams;
  readonly #url: string;
  readonly #streams = new Map<string, ChangeStream>();

  constructor(changes: ChangeStreams, url: string) {
    this.#changes = changes;
    this.#url = url;
  }

  readonly follow = async (policyId: string, listener: ChangeListener | null): Promise<void> => {
    await this.#streams.get(policyId)?.close();
    this.#streams.delete(policyId);
    if (listener !== null) this.#streams.set(policyId, await this.#changes.follow(this.#url, listener));
  };

  async close(): Promise<void> {
    for (const stream of this.#streams.values()) await stream.close();
    this.#streams.clear();
  }
}
