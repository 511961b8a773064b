import { batchedText } from '../../statements/batched-text.ts';
import type { BatchStatementsPolicy } from '../batch-statements.ts';
import type { PolicyControl } from '../policy.ts';
import { Habit } from './habit.ts';
import type { ParameterSource } from './parameter-source.ts';

/** Before that many calls nothing is judged. */
const fewestJudged = 200;
/** Below, what is fetched ahead is not what is asked for: the work for it is done twice. */
const fewestHitsShare = 0.8;
/**
 * A key that is fetched along costs the process and the server about a sixth of a call of its own (bench/batching.ts),
 * so that at one of four used there is still a gain.
 */
const fewestUsedShare = 0.25;
/** A batch that fails costs a call for nothing: with one of four there is hardly a gain left where a request makes few calls. */
const mostFailedShare = 0.25;
const fewestJudgedBatches = 20;
/** A rough patch of the machine passes: what is given up is tried again, seldom enough that the trying costs nothing to speak of. */
const givenUpForMs = 10_000;

/** Keys fetched ahead by one batch, and how many of them were asked for. */
export interface FetchedKeys {
  readonly keys: number;
  readonly askedAtMs: number;
  used: number;
}

/** A statement that a policy batches: what is known of it, and what has been learned of it here. */
export class BatchedStatement {
  readonly policy: BatchStatementsPolicy;
  readonly #control: PolicyControl;
  /** The text of its batches, made from the first call that had its text. */
  ownText: string | null = null;
  /** Where its parameters come from; null while nobody knows. */
  source: ParameterSource | null = null;
  /** By route: whether a first call was followed by more side by side, or one after the other. */
  readonly #sideBySide = new Map<string, Habit>();
  readonly #oneByOne = new Map<string, Habit>();
  #givenUpAtMs = Number.NaN;
  #judgedCalls = 0;
  #judgedHits = 0;
  /** Too young to judge: more of their keys may be asked for. */
  #young: FetchedKeys[] = [];
  #fetched = 0;
  #used = 0;
  #batches = 0;
  #failed = 0;
  figures = noFigures();

  constructor(policy: BatchStatementsPolicy, control: PolicyControl) {
    this.policy = policy;
    this.#control = control;
  }

  get on(): boolean {
    return this.#control.on;
  }

  /** Whether it acts on this request, of which it may have been given a share. */
  meets(request: object): boolean {
    return this.#control.draw?.(request) !== false;
  }

  end(reason: string): void {
    this.#control.end(reason);
  }

  textFor(text: string): string {
    this.ownText ??= batchedText(text, this.policy);
    return this.ownText;
  }

  sideBySide(route: string): Habit {
    return habitOf(this.#sideBySide, route);
  }

  oneByOne(route: string): Habit {
    return habitOf(this.#oneByOne, route);
  }

  /** False when it is off, or has lately turned out to foresee badly or to fail: then its calls pass as they are. */
  get acts(): boolean {
    if (!Number.isNaN(this.#givenUpAtMs) && performance.now() - this.#givenUpAtMs > givenUpForMs) this.forgive();
    return Number.isNaN(this.#givenUpAtMs) && this.#control.on;
  }

  batched(): void {
    this.#batches += 1;
    this.figures.batches += 1;
  }

  batchFailed(): void {
    this.#failed += 1;
    this.figures.batchesFailed += 1;
    if (this.#batches >= fewestJudgedBatches && this.#failed > mostFailedShare * this.#batches) this.#giveUp();
  }

  fetchedAhead(fetched: FetchedKeys): void {
    this.figures.keysFetched += fetched.keys;
    this.#young.push(fetched);
    while (this.#young[0]!.askedAtMs + this.policy.oldestMs < fetched.askedAtMs) {
      const { keys, used } = this.#young.shift()!;
      this.#fetched += keys;
      this.#used += used;
    }
    if (this.#fetched >= fewestJudged && this.#used < fewestUsedShare * this.#fetched) this.#giveUp();
  }

  /** A call that something was fetched for: it was there, or it was not. */
  judged(isHit: boolean): void {
    this.#judgedCalls += 1;
    if (isHit) this.#judgedHits += 1;
    if (this.#judgedCalls >= fewestJudged && this.#judgedHits < fewestHitsShare * this.#judgedCalls) this.#giveUp();
  }

  /** Judged anew from here on. */
  forgive(): void {
    this.#givenUpAtMs = Number.NaN;
    this.#judgedCalls = 0;
    this.#judgedHits = 0;
    this.#young = [];
    this.#fetched = 0;
    this.#used = 0;
    this.#batches = 0;
    this.#failed = 0;
  }

  take(): Readonly<Record<string, number>> {
    const { figures } = this;
    this.figures = noFigures();
    return figures;
  }

  #giveUp(): void {
    if (!Number.isNaN(this.#givenUpAtMs)) return;
    this.#givenUpAtMs = performance.now();
    this.figures.timesGivenUp += 1;
  }
}

const mostRoutes = 1_000;

function habitOf(habits: Map<string, Habit>, route: string): Habit {
  const known = habits.get(route);
  if (known !== undefined) return known;
  const habit = new Habit();
  if (habits.size < mostRoutes) habits.set(route, habit);
  return habit;
}

function noFigures() {
  return {
    /** Calls sent as they were. */
    callsAlone: 0,
    /** Calls answered from a batch made for them, side by side. */
    callsBatched: 0,
    /** Calls answered from rows that were fetched ahead. */
    callsAhead: 0,
    batches: 0,
    keysFetched: 0,
    /** Rows dropped because something may have been written, or because they grew old. */
    keysDropped: 0,
    batchesFailed: 0,
    timesGivenUp: 0,
    shadowsEqual: 0,
    shadowsExplained: 0,
    shadowsFailed: 0,
  };
}
