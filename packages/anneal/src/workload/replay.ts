import { judgeAnswer } from './answer-checks.ts';
import { headersFor, planIteration, type CompiledStep } from './compiled-workload.ts';
import type { Answer } from './http-client.ts';
import type { LoadTarget } from './load-run.ts';

export interface ReplayOptions {
  /** Iterations: the first ones go through every scenario once, however rare, the others are drawn by weight. */
  readonly count: number;
  readonly seed: number;
  /** `read-only` (the default) leaves every step but GET out, and with it the later steps that need what it captured. */
  readonly steps?: 'read-only' | 'all';
  /** How many times each GET is sent, all at once; default 1. Every answer is in the result. */
  readonly copies?: number;
}

/** One answer with everything that two arms must agree on. */
export interface ReplayedAnswer {
  /** The step's name. */
  readonly request: string;
  readonly method: string;
  readonly path: string;
  /** 0 without an answer. */
  readonly status: number;
  /** Lower-case names; several values are joined by `, `. Without those of the connection and the moment; cookies by name only. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Why there was no answer, e.g. `ECONNREFUSED`; null when there was one. */
  readonly error: string | null;
}

/** Sends the iterations one after the other without pause, so that each sees all that the earlier ones wrote. */
export async function replayIterations(
  target: LoadTarget,
  options: ReplayOptions,
  signal?: AbortSignal,
): Promise<readonly ReplayedAnswer[]> {
  const answers: ReplayedAnswer[] = [];
  for (let number = 0; number < options.count; number += 1) {
    const scenario = target.workload.scenarios[number];
    const iteration = planIteration(
      target.workload,
      options.seed,
      { stream: `iteration/${number}`, number, scenario },
      target.tokens.length,
    );
    let { values } = iteration;
    for (const step of iteration.scenario.steps) {
      if (options.steps !== 'all' && step.method !== 'GET') continue;
      if (!hasValues(step, values)) continue;
      signal?.throwIfAborted();
      const path = step.path.render(values);
      const { method } = step;
      const headers = headersFor(step, iteration.session, target.tokens);
      const request = { method, path, headers, body: step.body?.render(values) ?? null };
      const copies = method === 'GET' ? (options.copies ?? 1) : 1;
      const received = await Promise.all(Array.from({ length: copies }, () => target.client.send(request, true)));
      for (const { status, headers: sent, body, error } of received) {
        answers.push({ request: step.name, method, path, status, headers: comparableHeaders(sent), body, error });
      }
      const { captured } = judgeAnswer(step, received[0]!);
      if (captured === null) break;
      values = { ...values, ...captured };
    }
  }
  return answers;
}

function hasValues(step: CompiledStep, values: Readonly<Record<string, unknown>>): boolean {
  return [...step.path.variables, ...(step.body?.variables ?? [])].every((name) => Object.hasOwn(values, name));
}

/** Headers about this connection (RFC 9110, section 7.6.1), this moment or the body's framing: no part of the answer. */
const passing = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'date',
  'content-length',
  'server-timing',
]);

function comparableHeaders(headers: Answer['headers']): Readonly<Record<string, string>> {
  const comparable: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || passing.has(name)) continue;
    const values = typeof value === 'string' ? [value] : value;
    // A cookie's value is a credential: that it is set, and its attributes, are the answer.
    const shown = name === 'set-cookie' ? values.map((cookie) => cookie.replace(/^([^=;]*)=[^;]*/, '$1=…')) : values;
    comparable[name] = shown.join(', ');
  }
  return comparable;
}
