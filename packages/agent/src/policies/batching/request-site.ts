import type { BatchedStatement, FetchedKeys } from './batched-statement.ts';
import { BatchedKey } from './batched-key.ts';
import { findSource, mostKeysAtOnce, parametersAhead, placeOf, type Row } from './parameter-source.ts';
import { capture, type RawAnswer } from './pg-answers.ts';
import { isError, takeOver, type AskedCall, type CallSender, type RawRow, type Runner, type WaitingCall } from './pg-calls.ts';
import { compareWithOriginal } from './shadow.ts';
import type { RequestState } from './request-state.ts';
import type { WriteFence } from './write-fence.ts';

/** What the sites of all requests share. */
export interface SiteSurroundings {
  readonly fence: WriteFence;
  /** Those with calls that wait: they are sent at once when order begins to matter. */
  readonly waiting: Set<RequestSite>;
}

/** Of all batches, for ever: one of fifty costs 2 % of a call per batch. */
const shadowShare = 0.02;

/** A key that was fetched ahead. */
type FetchedKey = BatchedKey & { readonly answer: RawAnswer; readonly fetched: FetchedKeys };

/**
 * One batched statement within one request, sent to one pool or client. Calls made while another is under way wait for
 * the end of the event loop's turn and are sent together; calls made one after the other are foreseen from the result their
 * parameters come from. A first call goes out as it is, unless first calls of this route have nearly always had successors.
 */
export class RequestSite implements CallSender {
  readonly statement: BatchedStatement;
  readonly runner: Runner;
  /** Its template, where its own rows feed another statement. */
  readonly #feeds: string | null;
  readonly #state: RequestState;
  readonly #around: SiteSurroundings;
  #beforeLast: readonly unknown[] | null = null;
  #last: readonly unknown[] | null = null;
  #made = 0;
  #underWay = 0;
  #waiting: WaitingCall[] = [];
  #firstWaits = false;
  #startedAhead = false;
  #ahead: Map<string, BatchedKey> | null = null;
  /** The fence's number when they were asked for. */
  #aheadGeneration = 0;
  /** A batch of this request failed: its calls are left alone. */
  #isBarred = false;

  constructor(statement: BatchedStatement, runner: Runner, feeds: string | null, state: RequestState, around: SiteSurroundings) {
    this.statement = statement;
    this.runner = runner;
    this.#feeds = feeds;
    this.#state = state;
    this.#around = around;
  }

  /** What the caller gets for a call of this statement. */
  ask(asked: AskedCall): unknown {
    this.#made += 1;
    const fetched = this.#ahead === null ? null : this.#fetched(this.#ahead, asked.key);
    if (fetched !== null) return this.#serve(asked, fetched);
    if (this.#isBarred) return this.send(asked);
    const habit = this.statement.sideBySide(this.#state.route);
    if (this.#made === 1) {
      const waits = habit.isStrong && this.runner.kind === 'pool';
      habit.begun();
      if (waits) {
        this.#firstWaits = true;
        return this.#wait(asked);
      }
    } else if (this.#underWay + this.#waiting.length > 0) {
      // A client answers one call after the other, whoever asks.
      if (this.runner.kind === 'client') return this.send(asked);
      if (this.#made === 2) habit.wentOn();
      return this.#wait(asked);
    }
    const ahead = this.#foresee(asked);
    this.#remember(asked);
    return ahead === null ? this.send(asked) : this.#fetch(asked, ahead);
  }

  /** Order begins to matter, or the policy goes off: what waits is sent as it was asked. */
  sendWaiting(): void {
    const calls = this.#takeWaiting();
    for (const call of calls) call.alone();
  }

  send(asked: AskedCall): unknown {
    this.statement.figures.callsAlone += 1;
    const { callback, statement, given } = asked;
    this.#underWay += 1;
    if (callback !== null) {
      return this.runner.run(statement, given, (error, result) => {
        this.#ended(error, result);
        callback(error, result);
      });
    }
    // The promise handed on is one of our own, so that an error nobody handles stays unhandled.
    return (this.runner.run(statement, given) as Promise<unknown>).then(
      (result) => {
        this.#ended(null, result);
        return result;
      },
      (error: unknown) => {
        this.#ended(error, null);
        throw error;
      },
    );
  }

  #ended(error: unknown, result: unknown): void {
    this.#underWay -= 1;
    if (!isError(error)) this.received(result);
  }

  received(result: unknown): void {
    if (this.#feeds !== null) this.#state.receive(this.#feeds, result);
  }

  // Side by side

  #wait(asked: AskedCall): unknown {
    const { call, returned } = takeOver(this.runner, asked, this);
    if (this.#waiting.length === 0) {
      this.#around.waiting.add(this);
      setImmediate(() => this.#sendTogether());
    }
    this.#waiting.push(call);
    if (this.#waiting.length >= mostKeysAtOnce) this.#sendTogether();
    return returned;
  }

  #takeWaiting(): readonly WaitingCall[] {
    const calls = this.#waiting;
    this.#waiting = [];
    this.#around.waiting.delete(this);
    return calls;
  }

  #sendTogether(): void {
    const calls = this.#takeWaiting();
    if (this.#firstWaits && calls.length > 1) this.statement.sideBySide(this.#state.route).wentOn();
    this.#firstWaits = false;
    if (calls.length < 2 || !this.statement.on) {
      for (const call of calls) call.alone();
      return;
    }
    this.#underWay += calls.length;
    const keys = new Map(calls.map(({ asked }) => [asked.key, new BatchedKey(asked.values)]));
    this.#runBatch(calls[0]!.asked.text, keys, (answer) => {
      this.#underWay -= calls.length;
      if (answer === null) this.#isBarred = true;
      else this.statement.figures.callsBatched += calls.length;
      for (const call of calls) this.#settle(call, answer, keys.get(call.asked.key)!.rows);
    });
  }

  // One after the other

  #remember({ values }: AskedCall): void {
    // With the next one these are three, which tell a source apart; more tell no more.
    this.#beforeLast = this.#last;
    this.#last = values;
  }

  /** The parameters worth fetching with this call's, or null when it goes alone. */
  #foresee({ key, values }: AskedCall): Map<string, BatchedKey> | null {
    const statement = this.statement;
    const results = this.#state.resultsOf(statement.policy.parent);
    if (results.length === 0) return null;
    const habit = statement.oneByOne(this.#state.route);
    const calls = [this.#beforeLast, this.#last, values].filter((call) => call !== null);
    for (const rows of results) {
      if (this.#made > 1) this.#learnSource(calls, rows);
      const { source } = statement;
      if (source === null) continue;
      const place = placeOf(values, rows, source);
      if (place === -1) continue;
      const ahead = parametersAhead(values, key, place, rows, source, (known) => this.#isFresh(this.#ahead?.get(known)));
      if (this.#made === 1) {
        this.#startedAhead = habit.isStrong;
        if (ahead.size > 1) habit.begun();
        if (!this.#startedAhead) return null;
      } else if (this.#made === 2) habit.wentOn();
      return ahead.size > 1 ? ahead : null;
    }
    return null;
  }

  #learnSource(calls: readonly (readonly unknown[])[], rows: readonly Row[]): void {
    const { source } = this.statement;
    const places = source === null ? [] : calls.map((values) => placeOf(values, rows, source));
    if (source === null || places.includes(-1)) this.statement.source = findSource(calls, rows) ?? source;
    else if (source.ordered && places.some((place, index) => index > 0 && place < places[index - 1]!)) {
      this.statement.source = { ...source, ordered: false };
    }
  }

  #fetch(asked: AskedCall, keys: Map<string, BatchedKey>): unknown {
    const { fence } = this.#around;
    // What is being written may show itself between the fetch and the loop's next turn.
    if (!fence.isQuiet || !this.runner.isPlain) return this.send(asked);
    const { generation } = fence;
    const askedAtMs = performance.now();
    const { call, returned } = takeOver(this.runner, asked, this);
    this.#underWay += 1;
    this.#runBatch(asked.text, keys, (answer) => {
      this.#underWay -= 1;
      if (answer === null) this.#isBarred = true;
      else {
        const fetched: FetchedKeys = { keys: keys.size, askedAtMs, used: 1 };
        this.statement.fetchedAhead(fetched);
        this.statement.figures.callsBatched += 1;
        if (generation !== this.#aheadGeneration) this.#drop();
        this.#aheadGeneration = generation;
        for (const key of keys.values()) {
          key.answer = answer;
          key.fetched = fetched;
        }
        keys.get(asked.key)!.isUsed = true;
        this.#keep(keys);
      }
      this.#settle(call, answer, keys.get(asked.key)!.rows);
    });
    return returned;
  }

  /** What was fetched ahead for a key and is still good; null where it is not. */
  #fetched(ahead: Map<string, BatchedKey>, key: string): FetchedKey | null {
    const statement = this.statement;
    if (!statement.on || this.#aheadGeneration !== this.#around.fence.generation) {
      this.#drop();
      statement.judged(false);
      return null;
    }
    const found = ahead.get(key);
    const isGood = this.#isFresh(found);
    statement.judged(isGood);
    if (!isGood) return null;
    if (!found.isUsed) found.fetched.used += 1;
    found.isUsed = true;
    return found;
  }

  #isFresh(found: BatchedKey | undefined): found is FetchedKey {
    return found !== undefined && found.fetched !== null && performance.now() - found.fetched.askedAtMs <= this.statement.policy.oldestMs;
  }

  #keep(keys: Map<string, BatchedKey>): void {
    const ahead = this.#ahead;
    if (ahead === null) {
      this.#ahead = keys;
      return;
    }
    for (const [key, fetched] of keys) {
      if (ahead.get(key)?.isUsed === false) this.statement.figures.keysDropped += 1;
      ahead.set(key, fetched);
    }
  }

  #drop(): void {
    for (const { isUsed } of this.#ahead?.values() ?? []) if (!isUsed) this.statement.figures.keysDropped += 1;
    this.#ahead = null;
  }

  #serve(asked: AskedCall, { answer, rows }: FetchedKey): unknown {
    if (this.#startedAhead && this.#made === 2) this.statement.oneByOne(this.#state.route).wentOn();
    this.#remember(asked);
    this.statement.figures.callsAhead += 1;
    if (asked.callback === null) {
      let result: unknown;
      try {
        result = answer.toResult(asked, rows);
      } catch (error) {
        // What a type parser throws rejects the promise, as it does without us.
        return this.runner.rejected(error);
      }
      this.received(result);
      return this.runner.resolved(result);
    }
    const { call, returned } = takeOver(this.runner, asked, this);
    // No callback is ever called before the call that takes it has returned.
    process.nextTick(() => this.#settle(call, answer, rows));
    return returned;
  }

  // Both

  #settle(call: WaitingCall, answer: RawAnswer | null, rows: readonly RawRow[]): void {
    if (answer === null) call.alone();
    else call.answer(answer, rows);
  }

  /** Fills in the rows of each key. */
  #runBatch(text: string, keys: ReadonlyMap<string, BatchedKey>, then: (answer: RawAnswer | null) => void): void {
    const statement = this.statement;
    const runner = this.runner;
    const { fence } = this.#around;
    const { generation } = fence;
    const all = [...keys.values()];
    const values = statement.policy.parameterTypes.map((_, parameter) => all.map((key) => key.values[parameter]));
    statement.batched();
    capture(
      runner.Query,
      (query, callback) => runner.run(query, undefined, callback),
      { text: statement.textFor(text), values },
      (captured) => {
        if (captured === null) {
          statement.batchFailed();
          then(null);
          return;
        }
        for (const row of captured.rows) all[Number(row.pop()) - 1]!.take(row);
        const answer = captured.answer.withFields(captured.answer.fields.slice(0, -1));
        then(answer);
        if (Math.random() >= shadowShare) return;
        const { values: set, rows } = all[Math.floor(Math.random() * all.length)]!;
        const isUndisturbed = () => fence.generation === generation && fence.isQuiet;
        compareWithOriginal({ statement, runner, text, values: set, answer, rows, isUndisturbed });
      },
    );
  }
}
