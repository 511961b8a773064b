import { seededRandom } from '../stats/random.ts';
import { parseJsonPath, type JsonPath } from './json-path.ts';
import { jsonTemplate, pathTemplate, type Template, type Values } from './template.ts';
import { drawValue } from './variable-values.ts';
import type { Check, RecordedArrival, Scenario, Step, Workload } from './workload.ts';

/** A valid workload with everything parsed that does not change from request to request. */
export interface CompiledWorkload {
  readonly scenarios: readonly CompiledScenario[];
  readonly scenarioByName: ReadonlyMap<string, CompiledScenario>;
  readonly totalWeight: number;
  readonly variables: Workload['variables'];
  /** Names of all steps, each once; a step's `nameIndex` points here. */
  readonly stepNames: readonly string[];
}

export interface CompiledScenario {
  readonly name: string;
  readonly weight: number;
  /** Variables any of its steps use: drawn once per iteration, so that its steps speak of the same things. */
  readonly variables: readonly string[];
  readonly steps: readonly CompiledStep[];
}

export interface CompiledStep {
  readonly name: string;
  readonly nameIndex: number;
  readonly method: Step['method'];
  readonly path: Template;
  readonly body: Template | null;
  readonly captures: readonly { readonly name: string; readonly path: JsonPath }[];
  readonly checks: readonly CompiledCheck[];
  /** Whether a capture or a check reads the answer's body; otherwise its bytes are counted and let go. */
  readonly needsBody: boolean;
  readonly thinkTimeMs: number;
  readonly headers: readonly string[];
  readonly authenticated: boolean;
  /** `headers` with each session's token, filled on first use. */
  readonly sessionHeaders: string[][];
}

export type CompiledCheck =
  | Exclude<Check, { readonly type: 'json-exists' }>
  | { readonly type: 'json-exists'; readonly path: JsonPath }
  /** The default check of a step: its status is below 400. */
  | { readonly type: 'status-below-400' };

/** What one iteration will send, drawn from the seed before it starts: answers cannot change it, but for captured values. */
export interface IterationPlan {
  readonly scenario: CompiledScenario;
  readonly values: Values;
  readonly session: number;
}

export function stepName(step: Step): string {
  return step.name ?? `${step.method} ${step.path}`;
}

export function compileWorkload(workload: Workload): CompiledWorkload {
  const scenarios = workload.scenarios.filter((scenario) => scenario.weight > 0);
  const stepNames = [...new Set(scenarios.flatMap((scenario) => scenario.steps.map(stepName)))];
  const compiled = scenarios.map((scenario) => compileScenario(scenario, workload, stepNames));
  return {
    scenarios: compiled,
    scenarioByName: new Map(compiled.map((scenario) => [scenario.name, scenario])),
    totalWeight: scenarios.reduce((sum, scenario) => sum + scenario.weight, 0),
    variables: workload.variables,
    stepNames,
  };
}

/** `stream` names the iteration, e.g. `iteration/17`; `number` is unique among the iterations of the run. */
export function planIteration(
  workload: CompiledWorkload,
  seed: number,
  iteration: {
    readonly stream: string;
    readonly number: number;
    readonly scenario?: CompiledScenario | undefined;
    readonly recorded?: RecordedArrival | null;
  },
  sessions: number,
): IterationPlan {
  const random = seededRandom(seed, iteration.stream);
  let left = random.next() * workload.totalWeight;
  const drawn = workload.scenarios.find((candidate) => (left -= candidate.weight) < 0) ?? workload.scenarios.at(-1)!;
  const { recorded = null } = iteration;
  const scenario = iteration.scenario ?? (recorded === null ? drawn : scenarioNamed(workload, recorded.scenario));
  const session = sessions > 1 ? random.integer(0, sessions - 1) : 0;
  const values: Record<string, unknown> = {};
  for (const name of scenario.variables) {
    values[name] = drawValue(workload.variables[name]!, random, sequenceNumber(seed, iteration.number));
  }
  return { scenario, values: recorded === null ? values : { ...values, ...recorded.values }, session };
}

/** A valid workload's recorded arrivals name scenarios that it has. */
function scenarioNamed(workload: CompiledWorkload, name: string): CompiledScenario {
  return workload.scenarioByName.get(name)!;
}

/** Runs of different seeds never share a number as long as a run has less than a million iterations. */
function sequenceNumber(seed: number, iteration: number): number {
  return (seed >>> 0) * 1_000_000 + iteration + 1;
}

export function compileStep(step: Step, nameIndex: number, authenticated: boolean): CompiledStep {
  const captures = Object.entries(step.capture ?? {}).map(([name, path]) => ({ name, path: parseJsonPath(path)! }));
  const checks = (step.checks ?? []).map(compileCheck);
  if (!checks.some((check) => check.type === 'status')) checks.unshift({ type: 'status-below-400' });
  return {
    name: stepName(step),
    nameIndex,
    method: step.method,
    path: pathTemplate(step.path),
    body: step.body === undefined ? null : jsonTemplate(step.body),
    captures,
    checks,
    needsBody: captures.length > 0 || checks.some((check) => check.type === 'body-includes' || check.type === 'json-exists'),
    thinkTimeMs: step.thinkTimeMs ?? 0,
    headers: requestHeaders(step),
    authenticated,
    sessionHeaders: [],
  };
}

/** Name and value in turn, the form undici takes without copying. */
export function headersFor(step: CompiledStep, session: number, tokens: readonly string[]): readonly string[] {
  if (!step.authenticated) return step.headers;
  return (step.sessionHeaders[session] ??= [...step.headers, 'authorization', `Bearer ${tokens[session]}`]);
}

function compileScenario(scenario: Scenario, workload: Workload, stepNames: readonly string[]): CompiledScenario {
  const steps = scenario.steps.map((step) =>
    compileStep(step, stepNames.indexOf(stepName(step)), step.authenticated ?? workload.login !== null),
  );
  const used = new Set(steps.flatMap((step) => [...step.path.variables, ...(step.body?.variables ?? [])]));
  return {
    name: scenario.name,
    weight: scenario.weight,
    // In the workload's order, so that reordering steps does not change what is drawn.
    variables: Object.keys(workload.variables).filter((name) => used.has(name)),
    steps,
  };
}

function compileCheck(check: Check): CompiledCheck {
  return check.type === 'json-exists' ? { type: 'json-exists', path: parseJsonPath(check.path)! } : check;
}

function requestHeaders(step: Step): readonly string[] {
  const headers = new Map(Object.entries(step.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  if (step.body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
  if (!headers.has('user-agent')) headers.set('user-agent', 'anneal');
  return [...headers].flat();
}
