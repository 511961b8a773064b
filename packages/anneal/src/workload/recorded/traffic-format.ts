import type { Executor, Step, Variable } from '../workload.ts';

/** A request that somebody once sent. Credentials are never taken over: only that there were some. */
export interface RecordedRequest {
  /** Milliseconds since 1970; null where the source tells no times. */
  readonly atMs: number | null;
  readonly method: string;
  /** Path and query as sent, still encoded. */
  readonly target: string;
  /** Parsed JSON; undefined without a body or with one that is no JSON. */
  readonly body?: unknown;
  /** Scheme, host and port where the source tells; null where it does not. */
  readonly origin: string | null;
  /** Of the answer; null where the source does not tell. */
  readonly status: number | null;
  readonly hadCredentials: boolean;
}

/** A request that a description allows and nobody has recorded: `target` may hold `{variable}`. */
export interface DescribedRequest {
  readonly name: string;
  readonly method: Step['method'];
  readonly target: string;
  readonly body?: unknown;
}

/** What one file says about traffic. Empty lists where it says nothing. */
export interface Traffic {
  readonly recorded: readonly RecordedRequest[];
  readonly described: readonly DescribedRequest[];
  readonly variables: Readonly<Record<string, Variable>>;
  readonly executor: Executor | null;
  readonly thresholds: Readonly<Record<string, readonly string[]>>;
  /** What could not be taken over, as sentences without a full stop. They hold no value of any request. */
  readonly problems: readonly string[];
}

export const noTraffic: Traffic = { recorded: [], described: [], variables: {}, executor: null, thresholds: {}, problems: [] };

/** A kind of file that traffic can be read from. One file each, one line in `formats.ts`. */
export interface TrafficFormat {
  /** As `anneal import --format` takes it. */
  readonly id: string;
  readonly title: string;
  /** Whether a file of this name and beginning looks like it; the first format that says yes reads the file. */
  recognises(name: string, text: string): boolean;
  /** Throws an Error with a sentence when the text is not what it looked like. */
  read(text: string): Traffic;
}

export const stepMethods: readonly string[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] satisfies readonly Step['method'][];

export function isStepMethod(method: string): method is Step['method'] {
  return stepMethods.includes(method);
}

/** The text as JSON; undefined where it is none. */
export function asJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
