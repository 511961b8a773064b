/** What the fence reads of a `pg.Client`; all of it is node-postgres' own and may be missing. */
interface ClientQueues {
  readonly _activeQuery?: unknown;
  readonly _queryQueue?: readonly unknown[];
  readonly _sentQueryQueue?: readonly unknown[];
}

interface Unanswered {
  readonly client: ClientQueues;
  readonly query: unknown;
}

/**
 * Knows of every statement of this process that may have changed something. Rows fetched ahead are good only
 * while no such statement has been sent since, and are not fetched at all while one is under way: its effect
 * may become visible between the fetch and its acknowledgement.
 */
export class WriteFence {
  /** Counts the statements; equal numbers mean that none was sent in between. */
  generation = 0;
  #unanswered: Unanswered[] = [];
  #isBlind = false;

  /** A statement is about to be sent. */
  passed(): void {
    this.generation += 1;
  }

  /** It has been handed to the client: as its last one, unless the client refused it. */
  watch(client: ClientQueues): void {
    const { _queryQueue: queue, _sentQueryQueue: sent = [], _activeQuery: active } = client;
    if (queue === undefined || !('_activeQuery' in client)) {
      this.#isBlind = true;
      return;
    }
    const query = queue.at(-1) ?? sent.at(-1) ?? active;
    this.#forgetAnswered();
    if (query !== null && query !== undefined) this.#unanswered.push({ client, query });
  }

  /** Whether no such statement waits for its answer; never where a client does not let that be seen. */
  get isQuiet(): boolean {
    if (this.#isBlind) return false;
    this.#forgetAnswered();
    return this.#unanswered.length === 0;
  }

  #forgetAnswered(): void {
    if (this.#unanswered.length > 0) this.#unanswered = this.#unanswered.filter(isUnderWay);
  }
}

function isUnderWay({ client, query }: Unanswered): boolean {
  return client._activeQuery === query || client._queryQueue?.includes(query) === true || client._sentQueryQueue?.includes(query) === true;
}
