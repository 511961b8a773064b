import type { Drivers } from '../../statements/drivers.ts';
import type { KnownText } from './statement-book.ts';
import { wrapMethod, type Method } from '../../hooks/patch.ts';

/** Who is told of the application's calls of node-postgres. Nothing here may throw. */
export interface CallGate {
  /** A statement is about to be sent, or to be given to a pool: what is known of it, or null where it may change something. */
  meet(statement: unknown): KnownText | null;
  /** It has been handed to this client. */
  wrote(client: object): void;
  /** Order begins to matter: whatever waits must be sent now. */
  inOrder(): void;
  /** `run` makes the call as it is. */
  ask(
    known: KnownText,
    kind: 'pool' | 'client',
    owner: object,
    run: Method,
    statement: unknown,
    values: unknown,
    callback: unknown,
  ): unknown;
}

/**
 * Puts the gate before every call of node-postgres, outside of what observes them. A pool's own calls (it takes a
 * connection and queries on it) go through it once, at the pool. The function returned takes it away again.
 */
export function standBefore({ pgPools, pgClients }: Drivers, gate: CallGate): () => void {
  const undo: (() => void)[] = [];
  /** While a pool takes a call: the connection it asks for is not the application's. */
  let isPooling = false;
  /** While a pool hands a connection to a call of its own. */
  let isPooled = false;

  wrap(pgPools, 'query', poolQuery);
  wrap(pgPools, 'connect', poolConnect);
  wrap(pgPools, 'end', poolEnd);
  wrap(pgClients, 'query', clientQuery);
  return () => {
    for (const step of undo.toReversed()) step();
  };

  function wrap(owners: ReadonlySet<object>, name: string, make: (original: Method) => Method): void {
    for (const owner of owners) {
      const step = wrapMethod(owner, name, make);
      if (step !== null) undo.push(step);
    }
  }

  function poolQuery(original: Method): Method {
    const run: Method = function run(this: unknown, statement, values, callback) {
      const before = isPooling;
      isPooling = true;
      try {
        return original.call(this, statement, values, callback);
      } finally {
        isPooling = before;
      }
    };
    return function query(this: unknown, statement, values, callback) {
      const known = gate.meet(statement);
      if (known === null) return run.call(this, statement, values, callback);
      return gate.ask(known, 'pool', this as object, run, statement, values, callback);
    };
  }

  function poolConnect(original: Method): Method {
    return function connect(this: unknown, callback) {
      if (!isPooling || typeof callback !== 'function') {
        // Connections are given out in the order they were asked for.
        gate.inOrder();
        return original.call(this, callback);
      }
      isPooling = false;
      return original.call(this, function acquired(this: unknown, ...args: unknown[]) {
        isPooled = true;
        try {
          return Reflect.apply(callback, this, args) as unknown;
        } finally {
          isPooled = false;
        }
      });
    };
  }

  function poolEnd(original: Method): Method {
    return function end(this: unknown, ...args) {
      gate.inOrder();
      return Reflect.apply(original, this, args);
    };
  }

  function clientQuery(original: Method): Method {
    return function query(this: unknown, statement, values, callback) {
      const isOwn = isPooled;
      isPooled = false;
      const known = gate.meet(statement);
      if (known === null) {
        const result = original.call(this, statement, values, callback);
        gate.wrote(this as object);
        return result;
      }
      if (isOwn) return original.call(this, statement, values, callback);
      return gate.ask(known, 'client', this as object, original, statement, values, callback);
    };
  }
}
