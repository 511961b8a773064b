import type { Method } from '../../hooks/patch.ts';
import type { PgQueryClass, RawAnswer } from './pg-answers.ts';

export type Callback = (error: unknown, result?: unknown) => void;

/** A call as the application made it, taken apart. */
export interface AskedCall {
  readonly text: string;
  readonly values: readonly unknown[];
  /** The parameters as text, the same for two calls exactly when the driver would send the same. */
  readonly key: string;
  readonly rowMode: string | undefined;
  readonly types: unknown;
  /** The arguments themselves, for sending it as it is. */
  readonly statement: unknown;
  readonly given: unknown;
  readonly callback: Callback | null;
}

/** As node-postgres reads its first argument, cursors and streams included. */
export function textOf(statement: unknown): string | null {
  if (typeof statement === 'string') return statement;
  if (typeof statement !== 'object' || statement === null) return null;
  const { text, cursor } = statement as { readonly text?: unknown; readonly cursor?: unknown };
  return typeof text === 'string' ? text : textOf(cursor);
}

/** What a query configuration may hold here; anything else (`binary`, `rows`, a time limit) makes the call one that is left alone. */
const knownOptions: ReadonlySet<string> = new Set(['text', 'values', 'name', 'rowMode', 'types', 'callback']);

/** As node-postgres reads its arguments. Null where something in them is not known here, or a parameter is no scalar. */
export function readCall(kind: Runner['kind'], statement: unknown, values: unknown, callback: unknown): AskedCall | null {
  let done = callback;
  let given = values;
  if (typeof values === 'function') {
    done = values;
    given = undefined;
  }
  if (done !== undefined && done !== null && typeof done !== 'function') return null;
  const options = typeof statement === 'string' ? { text: statement } : plainOptions(statement);
  if (options === null || typeof options.text !== 'string') return null;
  // A pool puts a callback of its own in place of this one, a client calls it.
  if (kind === 'client' && options.callback !== undefined) return null;
  const bound = given ?? options.values;
  if (!Array.isArray(bound)) return null;
  const key = keyOf(bound);
  if (key === null) return null;
  return {
    text: options.text,
    values: bound,
    key,
    rowMode: options.rowMode,
    types: options.types,
    statement,
    given,
    callback: (done as Callback | undefined) ?? null,
  };
}

interface QueryOptions {
  readonly text?: unknown;
  readonly values?: unknown;
  readonly rowMode?: string;
  readonly types?: unknown;
  readonly callback?: unknown;
}

function plainOptions(statement: unknown): QueryOptions | null {
  if (typeof statement !== 'object' || statement === null) return null;
  // A class of its own may answer differently each time it is asked.
  if (Object.getPrototypeOf(statement) !== Object.prototype) return null;
  for (const name in statement) if (!knownOptions.has(name)) return null;
  return statement;
}

/** Null where a parameter is not a scalar whose text can stand in an array. */
export function keyOf(values: readonly unknown[]): string | null {
  if (values.length === 1) return valueKey(values[0]);
  let key = '';
  for (const value of values) {
    const part = valueKey(value);
    if (part === null) return null;
    key += `${part.length}:${part}`;
  }
  return key;
}

/** No text PostgreSQL takes has a NUL in it, so the marks of what is not text cannot be mistaken for one. */
export function valueKey(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value.includes('\0') ? null : value;
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'undefined':
      return '\0null';
    case 'object':
      if (value === null) return '\0null';
      // pg writes dates in local time; equal instants are equal texts.
      return value instanceof Date && !Number.isNaN(value.getTime()) ? `\0${value.getTime()}` : null;
    default:
      return null;
  }
}

/** As node-postgres uses it: it rejects by the static method itself. */
export interface PromiseClass {
  new (executor: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => void): unknown;
  resolve(value: unknown): unknown;
  reject(reason: unknown): unknown;
}

/** Where calls are sent: a pool, or a client that the application holds. */
export class Runner {
  readonly Query: PgQueryClass;
  readonly owner: object;
  readonly kind: 'pool' | 'client';
  readonly #query: Method;
  readonly #Promise: PromiseClass;

  constructor(kind: 'pool' | 'client', owner: object, Query: PgQueryClass, query: Method, promise: PromiseClass) {
    this.owner = owner;
    this.Query = Query;
    this.#query = query;
    this.#Promise = promise;
    this.kind = kind;
  }

  /** What a callback gets in place of an error. */
  get noError(): undefined | null {
    return this.kind === 'pool' ? undefined : null;
  }

  /**
   * False where a connection has a `query` of its own: somebody wrapped it, perhaps before anybody of ours stood there, and
   * what is written through it would not be noticed.
   */
  get isPlain(): boolean {
    const clients = this.kind === 'client' ? [this.owner] : ((this.owner as { readonly _clients?: readonly object[] })._clients ?? []);
    return !clients.some((client) => Object.hasOwn(client, 'query'));
  }

  run(statement: unknown, values?: unknown, callback?: Callback): unknown {
    return this.#query.call(this.owner, statement, values, callback);
  }

  promise(executor: ConstructorParameters<PromiseClass>[0]): unknown {
    return new this.#Promise(executor);
  }

  resolved(value: unknown): unknown {
    return this.#Promise.resolve(value);
  }

  rejected(reason: unknown): unknown {
    return this.#Promise.reject(reason);
  }
}

/** A row as it came over the wire: a text per column, null for NULL. */
export type RawRow = readonly (string | null)[];

/** Who a waiting call came from. */
export interface CallSender {
  /** Sends it as it is: the promise, error and stack are those it has without us. */
  send(asked: AskedCall): unknown;
  /** A result that its caller is about to get. */
  received(result: unknown): void;
}

/** A call the application has made and that is not sent as it is, or not yet. Settled once, whatever is called. */
export class WaitingCall {
  readonly asked: AskedCall;
  readonly #sender: CallSender;
  readonly #done: Callback;
  /** Takes the original's promise over; null where the caller gave a callback. */
  readonly #adopt: ((sent: unknown) => void) | null;
  #isSettled = false;

  constructor(asked: AskedCall, sender: CallSender, done: Callback, adopt: ((sent: unknown) => void) | null) {
    this.asked = asked;
    this.#sender = sender;
    this.#done = done;
    this.#adopt = adopt;
  }

  alone(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    try {
      const sent = this.#sender.send(this.asked);
      this.#adopt?.(sent);
    } catch (error) {
      // Where the driver throws at the call itself; by now nobody else is there to catch it.
      this.#done(error);
    }
  }

  answer(answer: RawAnswer, rows: readonly RawRow[]): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    let result: unknown;
    try {
      result = answer.toResult(this.asked, rows);
    } catch (error) {
      this.#done(error);
      return;
    }
    this.#sender.received(result);
    if (this.#adopt === null) this.#done(null, result);
    else this.#adopt(result);
  }
}

/** Takes a call over: `returned` is what its caller gets now. */
export function takeOver(runner: Runner, asked: AskedCall, sender: CallSender): { readonly call: WaitingCall; readonly returned: unknown } {
  const { callback } = asked;
  if (callback !== null) return { call: new WaitingCall(asked, sender, calledBack(callback, runner.noError), null), returned: undefined };
  let call: WaitingCall | undefined;
  const returned = runner.promise((resolve, reject) => {
    call = new WaitingCall(asked, sender, reject, resolve);
  });
  return { call: call!, returned };
}

function calledBack(callback: Callback, noError: undefined | null): Callback {
  return (error, result) => {
    try {
      if (isError(error)) callback(error);
      else callback(noError, result);
    } catch (thrown) {
      // As pg lets go of it, where nobody of ours can catch it.
      process.nextTick(() => {
        throw thrown;
      });
    }
  };
}

export function isError(error: unknown): boolean {
  return error !== undefined && error !== null;
}
