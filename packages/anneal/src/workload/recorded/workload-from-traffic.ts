import type { Executor, RecordedArrival, Scenario, Step, Variable, Workload } from '../workload.ts';
import { pathShapes, type PathShape } from './path-shapes.ts';
import { isRecord, isStepMethod, type RecordedRequest, type Traffic } from './traffic-format.ts';

export interface ImportOptions {
  readonly name: string;
  readonly seed: number;
  /** Take requests that may write, too. Default false: only GET. */
  readonly writes: boolean;
  /** Scheme, host and port whose requests are meant; null: the one with the most requests. */
  readonly origin: string | null;
  /** In place of the recorded moments and of what the files say. */
  readonly ratePerSecond: number | null;
}

export interface Imported {
  readonly workload: Workload;
  /** Requests taken over. */
  readonly requests: number;
  /** What was left out or is missing, as sentences without a full stop. */
  readonly problems: readonly string[];
}

/** As `anneal diagnose --url` takes where nobody says how much traffic there is. */
const usualRatePerSecond = 20;

/** A variable is a list of what was seen; beyond this every k-th is as good a picture. */
const mostValues = 2_000;

/**
 * One workload from everything that was read: a scenario for each route with the weight it had, variables
 * with the values that were seen as often as they were seen, and the recorded moments as the executor.
 * Null when no request is left.
 */
export function workloadFromTraffic(traffic: readonly Traffic[], options: ImportOptions): Imported | null {
  const problems = traffic.flatMap((one) => one.problems);
  const recorded = selected(
    traffic.flatMap((one) => one.recorded),
    options,
    problems,
  );
  const described = traffic.flatMap((one) => one.described).filter(({ method }) => options.writes || method === 'GET');
  const leftOut = traffic.flatMap((one) => one.described).length - described.length;
  if (leftOut > 0) problems.push(`${leftOut} described requests may write and were left out; --writes takes them`);

  const routes = routesOf(recorded);
  const variables = new Map<string, (string | number)[]>();
  const arrivals: RecordedArrival[] = [];
  const fromMs = recorded.reduce((first, { atMs }) => Math.min(first, atMs ?? first), Number.POSITIVE_INFINITY);
  for (const { route, values, atMs } of routes.requests) {
    for (const [name, value] of Object.entries(values)) {
      const seen = variables.get(name);
      if (seen === undefined) variables.set(name, [value]);
      else seen.push(value);
    }
    if (atMs !== null) arrivals.push({ atMs: atMs - fromMs, scenario: route, ...(Object.keys(values).length > 0 ? { values } : {}) });
  }
  arrivals.sort((a, b) => a.atMs - b.atMs);
  const scenarios = [
    ...routes.scenarios,
    // Nobody has counted them: each is as likely as the others, and all together as one recorded route.
    ...described
      .filter(({ name }) => !routes.scenarios.some((scenario) => scenario.name === name))
      .map(({ name, method, target, body }): Scenario => ({
        name,
        weight: 1,
        steps: [{ method, path: target, ...(body === undefined ? {} : { body }) }],
      })),
  ];
  if (scenarios.length === 0) return null;
  if (recorded.some(({ hadCredentials }) => hadCredentials)) {
    const count = recorded.filter(({ hadCredentials }) => hadCredentials).length;
    problems.push(`${count} of ${recorded.length} requests carried credentials, which are never taken over: give the workload a \`login\``);
  }
  const workload: Workload = {
    name: options.name,
    seed: options.seed,
    executor: executorOf(traffic, arrivals, options, problems),
    scenarios,
    variables: {
      ...Object.assign({}, ...traffic.map((one) => one.variables)),
      ...Object.fromEntries([...variables].map(([name, values]) => [name, oneOf(values)])),
    },
    login: null,
    thresholds: Object.assign({}, ...traffic.map((one) => one.thresholds)) as Workload['thresholds'],
  };
  return { workload, requests: recorded.length + described.length, problems };
}

function executorOf(
  traffic: readonly Traffic[],
  arrivals: readonly RecordedArrival[],
  options: ImportOptions,
  problems: string[],
): Executor {
  const told = traffic.flatMap(({ executor }) => (executor === null ? [] : [executor]))[0];
  if (options.ratePerSecond !== null) return { type: 'constant-arrival-rate', ratePerSecond: options.ratePerSecond, arrivals: 'poisson' };
  if (told !== undefined) return told;
  const last = arrivals.at(-1);
  if (last !== undefined && arrivals.length >= 2) {
    // The gap behind the last request is unknown: the mean one keeps the rate of what was recorded.
    return { type: 'recorded-arrivals', arrivals, lengthMs: Math.ceil(last.atMs + Math.max(last.atMs / (arrivals.length - 1), 1)) };
  }
  problems.push(`nothing says how many requests come: ${usualRatePerSecond} a second are assumed; --rate changes it`);
  return { type: 'constant-arrival-rate', ratePerSecond: usualRatePerSecond, arrivals: 'poisson' };
}

/** The requests that are meant: of one origin, answered, readable by a step, and reading only unless asked for more. */
function selected(recorded: readonly RecordedRequest[], options: ImportOptions, problems: string[]): readonly RecordedRequest[] {
  const leave = (requests: readonly RecordedRequest[], keeps: (request: RecordedRequest) => boolean, reason: string) => {
    const kept = requests.filter(keeps);
    if (kept.length < requests.length) problems.push(`${requests.length - kept.length} requests ${reason}`);
    return kept;
  };
  const origins = Map.groupBy(recorded, ({ origin }) => origin);
  const most = [...origins].toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0] ?? null;
  const origin = options.origin ?? most;
  const ours = leave(
    recorded,
    (request) => request.origin === null || request.origin === origin,
    `go elsewhere than to ${origin ?? ''} and were left out`,
  );
  const known = leave(ours, ({ method }) => isStepMethod(method), 'are neither GET, POST, PUT, PATCH nor DELETE and were left out');
  const answered = leave(known, ({ status }) => status === null || status < 400, 'were answered with 400 or above and left out');
  return options.writes ? answered : leave(answered, ({ method }) => method === 'GET', 'may write and were left out; --writes takes them');
}

interface RoutedRequest {
  readonly route: string;
  readonly values: Readonly<Record<string, string | number>>;
  readonly atMs: number | null;
}

function routesOf(recorded: readonly RecordedRequest[]): {
  readonly scenarios: readonly Scenario[];
  readonly requests: readonly RoutedRequest[];
} {
  const shapes = pathShapes(recorded.map(({ target }) => pathOf(target)));
  const groups = Map.groupBy(recorded, ({ method, target }) => `${method} ${nameOf(shapes.get(pathOf(target))!)} ${queryNames(target)}`);
  const names = new Map<string, number>();
  const routes = [...groups.values()].map((requests) => {
    const first = requests[0]!;
    const shape = shapes.get(pathOf(first.target))!;
    const plain = `${first.method} /${nameOf(shape)}`;
    const seen = (names.get(plain) ?? 0) + 1;
    names.set(plain, seen);
    return routeOf(seen === 1 ? plain : `${plain} (${seen})`, shape, requests);
  });
  return { scenarios: routes.map(({ scenario }) => scenario), requests: routes.flatMap(({ requests }) => requests) };
}

function routeOf(name: string, shape: PathShape, requests: readonly RecordedRequest[]) {
  const first = requests[0]!;
  const path = shape.map((segment, index) => (segment === null ? `{${pathVariable(shape, index)}}` : literal(segment))).join('/');
  const changing = [...new URLSearchParams(queryOf(first.target)).keys()];
  const fixed = new Map(changing.flatMap((key) => constantOf(key, requests)));
  const query = changing.map((key) => {
    const value = fixed.get(key);
    return `${literal(encodeURIComponent(key))}=${value === undefined ? `{${queryVariable(shape, key)}}` : literal(encodeURIComponent(value))}`;
  });
  const leaves = bodyLeaves(requests);
  const body = first.body === undefined ? undefined : withHoles(first.body, '', leaves);
  const step: Step = {
    method: first.method as Step['method'],
    path: `/${path}${query.length > 0 ? `?${query.join('&')}` : ''}`,
    ...(body === undefined ? {} : { body }),
  };
  return {
    scenario: { name, weight: requests.length, steps: [step] } satisfies Scenario,
    requests: requests.map(({ target, atMs, body: sent }): RoutedRequest => {
      const values: Record<string, string | number> = {};
      segmentsOf(target).forEach((segment, index) => {
        if (shape[index] === null) values[pathVariable(shape, index)] = decoded(segment);
      });
      const parameters = new URLSearchParams(queryOf(target));
      for (const key of changing)
        if (!fixed.has(key)) values[queryVariable(shape, key)] = secret.test(key) ? redacted : (parameters.get(key) ?? '');
      for (const [place, variable] of leaves) values[variable] = secret.test(place) ? redacted : leafAt(sent, place);
      return { route: name, values, atMs };
    }),
  };
}

/** Names whose values are credentials or say who somebody is: their values stay out of the file. */
const secret = /pass|token|secret|api_?key|auth|signature|session|credit|card|cvv|ssn|iban|e-?mail|phone/i;
const redacted = 'redacted';

/** The one value a parameter had in all requests, unless it is a secret. */
function constantOf(key: string, requests: readonly RecordedRequest[]): [string, string][] {
  if (secret.test(key)) return [[key, redacted]];
  const values = new Set(requests.map(({ target }) => new URLSearchParams(queryOf(target)).get(key) ?? ''));
  return values.size === 1 ? [[key, [...values][0]!]] : [];
}

/** Places of texts and numbers in the bodies, and the variable each becomes; a place whose value never changed stays as it is. */
function bodyLeaves(requests: readonly RecordedRequest[]): ReadonlyMap<string, string> {
  const places = new Set(leafPlaces(requests[0]?.body, ''));
  const leaves = [...places].filter((place) => secret.test(place) || new Set(requests.map(({ body }) => leafAt(body, place))).size > 1);
  return new Map(leaves.map((place) => [place, identifier(`body${place}`)]));
}

function leafPlaces(value: unknown, place: string): readonly string[] {
  if (typeof value === 'string' || typeof value === 'number') return [place];
  if (Array.isArray(value)) return (value as readonly unknown[]).flatMap((inner, index) => leafPlaces(inner, `${place}.${index}`));
  if (!isRecord(value)) return [];
  // A dot parts the keys of a place: what lies below a key with one stays as it was first sent.
  return Object.entries(value).flatMap(([key, inner]) => (key.includes('.') ? [] : leafPlaces(inner, `${place}.${key}`)));
}

function leafAt(body: unknown, place: string): string | number {
  const value = place
    .split('.')
    .slice(1)
    .reduce<unknown>(
      (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Readonly<Record<string, unknown>>)[key] : undefined),
      body,
    );
  return typeof value === 'string' || typeof value === 'number' ? value : '';
}

function withHoles(value: unknown, place: string, leaves: ReadonlyMap<string, string>): unknown {
  const variable = leaves.get(place);
  if (variable !== undefined) return `{${variable}}`;
  if (Array.isArray(value)) return (value as readonly unknown[]).map((inner, index) => withHoles(inner, `${place}.${index}`, leaves));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withHoles(inner, `${place}.${key}`, leaves)]));
}

function oneOf(values: readonly (string | number)[]): Variable {
  const step = Math.ceil(values.length / mostValues);
  return { type: 'one-of', values: values.filter((_, index) => index % step === 0) };
}

function pathOf(target: string): string {
  return target.split('?', 1)[0]!;
}

function queryOf(target: string): string {
  return target.slice(pathOf(target).length);
}

function segmentsOf(target: string): readonly string[] {
  return pathOf(target).split('/').slice(1);
}

function queryNames(target: string): string {
  return [...new Set(new URLSearchParams(queryOf(target)).keys())].toSorted().join('&');
}

function nameOf(shape: PathShape): string {
  return shape.map((segment) => segment ?? ':id').join('/');
}

/** `/users/17` gives `users_id`: the same identifiers go by the same name wherever they stand. */
function pathVariable(shape: PathShape, index: number): string {
  const before = shape.slice(0, index).findLast((segment) => segment !== null) ?? 'path';
  const several = shape.slice(0, index).findLastIndex((segment) => segment !== null) < index - 1;
  return identifier(`${before}_id${several ? `_${index}` : ''}`);
}

function queryVariable(shape: PathShape, key: string): string {
  return identifier(`${shape.findLast((segment) => segment !== null) ?? ''}_${key}`);
}

function identifier(text: string): string {
  const name = text.replaceAll(/\W+/g, '_').replace(/^_+/, '');
  return /^[A-Za-z_]/.test(name) ? name : `_${name}`;
}

/** Braces in a recorded path are no holes. */
function literal(text: string): string {
  return text.replaceAll('{', '%7B').replaceAll('}', '%7D');
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
