import type { CompiledStep } from './compiled-workload.ts';
import type { Answer } from './http-client.ts';
import { readJsonPath } from './json-path.ts';

/** What a step's checks and captures make of its answer. */
export interface Judgement {
  /** No answer, or a status the step does not expect: k6's `http_req_failed`. */
  readonly failed: boolean;
  readonly checks: number;
  readonly failedChecks: number;
  /** Values for the later steps; null when one was not there, and the iteration cannot go on. */
  readonly captured: Readonly<Record<string, unknown>> | null;
}

/** A capture that finds nothing counts as a failed check, so that it cannot go unnoticed. Without an answer every check fails. */
export function judgeAnswer(step: CompiledStep, answer: Answer): Judgement {
  const answered = answer.error === null;
  let failed = !answered;
  let failedChecks = 0;
  let json: unknown;
  let parsed = false;
  const body = () => {
    if (!parsed) json = parseJson(answer.body);
    parsed = true;
    return json;
  };
  for (const check of step.checks) {
    const holds = answered && checkHolds(check, answer, body);
    if (!holds) failedChecks += 1;
    if (check.type === 'status' || check.type === 'status-below-400') failed ||= !holds;
  }
  if (step.captures.length === 0) return { failed, checks: step.checks.length, failedChecks, captured: answered ? nothing : null };

  const captured: Record<string, unknown> = {};
  let missing = 0;
  for (const { name, path } of step.captures) {
    const value = answered ? readJsonPath(body(), path) : undefined;
    if (value === undefined || value === null) missing += 1;
    else captured[name] = value;
  }
  return {
    failed,
    checks: step.checks.length + step.captures.length,
    failedChecks: failedChecks + missing,
    captured: missing === 0 ? captured : null,
  };
}

const nothing: Readonly<Record<string, unknown>> = {};

function checkHolds(check: CompiledStep['checks'][number], answer: Answer, json: () => unknown): boolean {
  switch (check.type) {
    case 'status':
      return check.in.includes(answer.status);
    case 'status-below-400':
      return answer.status < 400;
    case 'body-includes':
      return answer.body.includes(check.text);
    case 'json-exists':
      return readJsonPath(json(), check.path) !== undefined;
    default:
      return check satisfies never;
  }
}

/** Undefined, which no path reads, when the text is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
