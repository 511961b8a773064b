import { isSubmittable } from './statement-arguments.ts';

/**
 * Statements held back until other processes have been told of a write. What comes after them on the same connection
 * waits in line, because pg's own queue does not know of them.
 */
export class HeldStatements {
  readonly #lines = new WeakMap<object, Promise<void>>();

  /** What a statement on this connection has to wait for already. */
  lineOf(client: object): Promise<void> | null {
    return this.#lines.get(client) ?? null;
  }

  /** Gives what node-postgres would have given; `promised`: the caller takes a promise, not a callback. */
  hold(client: object, statement: unknown, promised: boolean, wait: Promise<void>, send: () => unknown): unknown {
    const sent = wait.then(send);
    const line: Promise<void> = wait.finally(() => {
      if (this.#lines.get(client) === line) this.#lines.delete(client);
    });
    this.#lines.set(client, line);
    if (promised) return sent;
    sent.catch(() => undefined);
    return isSubmittable(statement) ? statement : undefined;
  }
}
