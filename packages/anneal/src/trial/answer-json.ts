/** Answers as JSON, compared place by place. */

/** A number that JavaScript would write differently, kept as it was sent: `1.0`, `1e3`, nineteen digits. */
export class NumberAsWritten {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }
}

export type AnswerJson =
  | null
  | boolean
  | number
  | string
  | NumberAsWritten
  | readonly AnswerJson[]
  | { readonly [key: string]: AnswerJson };

export type JsonType = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object';

/** One place at which two answers differ. */
export interface JsonDifference {
  /** `$.items[3].title`. */
  readonly path: string;
  /** The same with `[]` for any element: `$.items[].title`. */
  readonly generalPath: string;
  /** Only a `value` keeps its type on both sides, and only a value can be masked. */
  readonly kind: 'value' | 'type' | 'missing' | 'extra' | 'length';
  readonly baseline: AnswerJson | undefined;
  readonly candidate: AnswerJson | undefined;
}

/** Undefined when the text is not JSON. */
export function parseAnswer(text: string): AnswerJson | undefined {
  const keepNumbersExact = (_key: string, value: unknown, context?: { readonly source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && context.source !== String(value)
      ? new NumberAsWritten(context.source)
      : value;
  try {
    return JSON.parse(text, keepNumbersExact) as AnswerJson;
  } catch {
    return undefined;
  }
}

export function typeOf(value: AnswerJson): JsonType {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (value instanceof NumberAsWritten) return 'number';
  const type = typeof value;
  return type === 'object' ? 'object' : (type as 'boolean' | 'number' | 'string');
}

/** All places at which the answers differ; nothing below a place that is missing or of another type. */
export function* differencesOf(baseline: AnswerJson, candidate: AnswerJson, path = '$', generalPath = '$'): Generator<JsonDifference> {
  const at = (kind: JsonDifference['kind']): JsonDifference => ({ path, generalPath, kind, baseline, candidate });
  if (typeOf(baseline) !== typeOf(candidate)) {
    yield at('type');
  } else if (isList(baseline) && isList(candidate)) {
    if (baseline.length !== candidate.length) yield at('length');
    for (let index = 0; index < Math.min(baseline.length, candidate.length); index += 1) {
      yield* differencesOf(baseline[index]!, candidate[index]!, `${path}[${index}]`, `${generalPath}[]`);
    }
  } else if (isRecord(baseline) && isRecord(candidate)) {
    for (const key of new Set([...Object.keys(baseline), ...Object.keys(candidate)])) {
      const below = { path: path + step(key), generalPath: generalPath + step(key) };
      const [before, after] = [ownValue(baseline, key), ownValue(candidate, key)];
      if (before === undefined) yield { ...below, kind: 'extra', baseline: before, candidate: after };
      else if (after === undefined) yield { ...below, kind: 'missing', baseline: before, candidate: after };
      else yield* differencesOf(before, after, below.path, below.generalPath);
    }
  } else if (written(baseline) !== written(candidate)) {
    yield at('value');
  }
}

/** General paths of everything that is not an object or array. */
export function* leavesOf(value: AnswerJson, generalPath = '$'): Generator<string> {
  if (isList(value)) for (const element of value) yield* leavesOf(element, `${generalPath}[]`);
  else if (isRecord(value)) for (const [key, child] of Object.entries(value)) yield* leavesOf(child, generalPath + step(key));
  else yield generalPath;
}

/** One text for all answers that are equal but for the order of arrays; masked leaves count by their type alone. */
export function bagOf(value: AnswerJson, isMasked: (generalPath: string) => boolean, generalPath = '$'): string {
  if (isList(value)) {
    const elements = value.map((element) => bagOf(element, isMasked, `${generalPath}[]`));
    return `[${elements.sort().join()}]`;
  }
  if (isRecord(value)) {
    const members = Object.entries(value).map(
      ([key, child]) => `${JSON.stringify(key)}:${bagOf(child, isMasked, generalPath + step(key))}`,
    );
    return `{${members.sort().join()}}`;
  }
  return isMasked(generalPath) ? `<${typeOf(value)}>` : written(value);
}

/** A leaf as JSON text. */
export function written(value: AnswerJson): string {
  return value instanceof NumberAsWritten ? value.source : JSON.stringify(value);
}

function isList(value: AnswerJson): value is readonly AnswerJson[] {
  return typeOf(value) === 'array';
}

function isRecord(value: AnswerJson): value is { readonly [key: string]: AnswerJson } {
  return typeOf(value) === 'object';
}

function ownValue(record: { readonly [key: string]: AnswerJson }, key: string): AnswerJson | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function step(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
