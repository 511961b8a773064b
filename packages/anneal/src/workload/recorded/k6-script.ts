import { parseSync, type Expression, type Program } from 'oxc-parser';
import type { Executor } from '../workload.ts';
import { isRecord, isStepMethod, noTraffic, type DescribedRequest, type TrafficFormat } from './traffic-format.ts';

/** Read, never run: the options are taken as far as they are written out, and addresses as far as they are literals. */
export const k6Script: TrafficFormat = {
  id: 'k6',
  title: "k6 script: its options' executor, stages and thresholds, and addresses that are written out",
  recognises: (name, text) => /\.[cm]?[jt]s$/.test(name) && /from\s*['"]k6(?:\/[\w/]+)?['"]|require\(['"]k6/.test(text),
  read(text) {
    const { program, errors } = parseSync('script.ts', text);
    const [error] = errors;
    if (error !== undefined) throw new Error(`it is no JavaScript: ${error.message}`);
    const problems: string[] = [];
    const options = optionsOf(program, problems);
    const executor = executorOf(options, problems);
    return { ...noTraffic, executor, thresholds: thresholdsOf(options, problems), described: requestsOf(program, problems), problems };
  },
};

/** The text of `export const options = {...}` as a value; what is computed is left out and told. */
function optionsOf(program: Program, problems: string[]): Readonly<Record<string, unknown>> {
  for (const statement of program.body) {
    const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    if (declared?.type !== 'VariableDeclaration') continue;
    for (const { id, init } of declared.declarations) {
      if (id.type !== 'Identifier' || id.name !== 'options' || init === null) continue;
      const value = written(init, 'options', problems);
      return isRecord(value) ? value : {};
    }
  }
  return {};
}

/** The value an expression spells out; undefined, with a problem, where it would have to be computed. */
function written(expression: Expression, place: string, problems: string[]): unknown {
  switch (expression.type) {
    case 'Literal':
      return expression.value;
    case 'TemplateLiteral':
      if (expression.expressions.length === 0) return expression.quasis[0]?.value.cooked;
      break;
    case 'UnaryExpression': {
      const value = expression.operator === '-' ? written(expression.argument, place, problems) : undefined;
      if (typeof value === 'number') return -value;
      break;
    }
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
      return written(expression.expression, place, problems);
    case 'ArrayExpression':
      return expression.elements.flatMap((element, index) =>
        element === null || element.type === 'SpreadElement' ? [] : [written(element, `${place}[${index}]`, problems)],
      );
    case 'ObjectExpression': {
      const entries = expression.properties.flatMap((property): [string, unknown][] => {
        if (property.type === 'SpreadElement' || property.computed) return [];
        const key =
          property.key.type === 'Identifier' ? property.key.name : property.key.type === 'Literal' ? String(property.key.value) : null;
        return key === null ? [] : [[key, written(property.value, `${place}.${key}`, problems)]];
      });
      return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
    }
    default:
  }
  problems.push(`${place} is computed and was left out`);
  return undefined;
}

/** k6 documentation, "Scenarios" and "Options": the shortcut options, or the first of the scenarios. */
function executorOf(options: Readonly<Record<string, unknown>>, problems: string[]): Executor | null {
  const scenarios = isRecord(options['scenarios']) ? Object.entries(options['scenarios']) : [];
  if (scenarios.length > 1)
    problems.push(`of ${scenarios.length} scenarios only ${scenarios[0]![0]} gives the rate: a workload has one executor`);
  const scenario = scenarios[0]?.[1];
  if (isRecord(scenario)) return executorOfScenario(scenario, problems);
  const stages = vuStages(options['stages']);
  if (stages.length > 0) return { type: 'ramping-vus', startVus: numberOr(options['vus'], 1), stages };
  return typeof options['vus'] === 'number' ? { type: 'constant-vus', vus: options['vus'] } : null;
}

function executorOfScenario(scenario: Readonly<Record<string, unknown>>, problems: string[]): Executor | null {
  const unitMs = durationMs(scenario['timeUnit']) ?? 1000;
  const perSecond = (rate: unknown) => (numberOr(rate, 0) * 1000) / unitMs;
  switch (scenario['executor']) {
    case 'constant-arrival-rate':
      return { type: 'constant-arrival-rate', ratePerSecond: perSecond(scenario['rate']), arrivals: 'even' };
    case 'ramping-arrival-rate':
      return {
        type: 'ramping-arrival-rate',
        startRatePerSecond: perSecond(scenario['startRate']),
        stages: stagesOf(scenario['stages']).map(({ durationMs: lengthMs, target }) => ({
          durationMs: lengthMs,
          targetRatePerSecond: perSecond(target),
        })),
        arrivals: 'even',
      };
    case 'constant-vus':
      return { type: 'constant-vus', vus: numberOr(scenario['vus'], 1) };
    case 'ramping-vus':
      return { type: 'ramping-vus', startVus: numberOr(scenario['startVUs'], 1), stages: vuStages(scenario['stages']) };
    default:
      problems.push(`the executor ${String(scenario['executor'])} has no counterpart and was left out`);
      return null;
  }
}

function vuStages(value: unknown) {
  return stagesOf(value).map(({ durationMs: lengthMs, target }) => ({ durationMs: lengthMs, targetVus: target }));
}

function stagesOf(value: unknown): readonly { readonly durationMs: number; readonly target: number }[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly unknown[]).filter(isRecord).flatMap((stage) => {
    const lengthMs = durationMs(stage['duration']);
    return lengthMs === null || typeof stage['target'] !== 'number' ? [] : [{ durationMs: lengthMs, target: stage['target'] }];
  });
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}

/** Go's notation, as k6 takes it: `1m30s`, `500ms`; a number is milliseconds. */
function durationMs(value: unknown): number | null {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^(?:\d+(?:\.\d+)?(?:ms|h|m|s|d))+$/.test(value)) return null;
  const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  return [...value.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s|d)/g)].reduce((sum, [, number, unit]) => sum + Number(number) * unitMs[unit!]!, 0);
}

function thresholdsOf(options: Readonly<Record<string, unknown>>, problems: string[]): Readonly<Record<string, readonly string[]>> {
  if (!isRecord(options['thresholds'])) return {};
  const known = Object.entries(options['thresholds']).filter(([metric]) => {
    const ours = /^(?:http_req_duration|http_req_failed|http_reqs|checks|iterations|dropped_iterations)$/.test(metric);
    if (!ours) problems.push(`the threshold on ${metric} has no counterpart and was left out`);
    return ours;
  });
  return Object.fromEntries(
    known.map(([metric, value]) => {
      const list: readonly unknown[] = Array.isArray(value) ? (value as readonly unknown[]) : [value];
      const expressions = list.map((entry) => (isRecord(entry) ? entry['threshold'] : entry));
      return [metric, expressions.filter((expression) => typeof expression === 'string')];
    }),
  );
}

/** Calls such as `http.get('https://host/path')`, wherever they stand. */
function requestsOf(program: Program, problems: string[]): readonly DescribedRequest[] {
  const found = new Map<string, DescribedRequest>();
  let computed = 0;
  for (const { object, method, address } of callsIn(program)) {
    if (object !== 'http') continue;
    const verb = method === 'del' ? 'DELETE' : method.toUpperCase();
    if (!isStepMethod(verb)) continue;
    const path = address === null ? null : pathOf(address);
    if (path === null) computed += 1;
    else found.set(`${verb} ${path}`, { name: `${verb} ${path}`, method: verb, target: path });
  }
  if (computed > 0) problems.push(`${computed} requests have a computed address and were left out`);
  return [...found.values()];
}

/** Stands for a computed part of an address: no address holds it. */
const hole = '\u{0}';

/** The path of a written address, or of a template that begins with one hole for the host. */
function pathOf(address: string): string | null {
  const url = URL.parse(address.startsWith(hole) ? `http://unknown.invalid${address.slice(1)}` : address);
  return url === null || url.href.includes(hole) || url.href.includes(encodeURIComponent(hole)) ? null : `${url.pathname}${url.search}`;
}

interface Call {
  readonly object: string;
  readonly method: string;
  /** The first argument's text with `hole` for each computed part; null where it is computed as a whole. */
  readonly address: string | null;
}

function* callsIn(node: unknown): Generator<Call, void> {
  if (Array.isArray(node)) {
    for (const inner of node as readonly unknown[]) yield* callsIn(inner);
    return;
  }
  if (!isRecord(node)) return;
  const { callee } = node;
  if (node['type'] === 'CallExpression' && isRecord(callee) && callee['type'] === 'MemberExpression') {
    const { object, property } = callee;
    const [first] = node['arguments'] as readonly unknown[];
    if (isRecord(object) && isRecord(property))
      yield { object: String(object['name']), method: String(property['name']), address: textOf(first) };
  }
  for (const inner of Object.values(node)) if (typeof inner === 'object') yield* callsIn(inner);
}

function textOf(node: unknown): string | null {
  if (!isRecord(node)) return null;
  if (node['type'] === 'Literal') return typeof node['value'] === 'string' ? node['value'] : null;
  if (node['type'] !== 'TemplateLiteral') return null;
  return (node['quasis'] as readonly { readonly value: { readonly cooked: string } }[]).map(({ value }) => value.cooked).join(hole);
}
