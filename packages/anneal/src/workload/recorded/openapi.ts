import { parse } from 'yaml';
import { z } from 'zod';
import type { Variable } from '../workload.ts';
import { isRecord, isStepMethod, noTraffic, type DescribedRequest, type TrafficFormat } from './traffic-format.ts';

const document = z.looseObject({
  openapi: z.string().optional(),
  swagger: z.string().optional(),
  basePath: z.string().optional(),
  servers: z.array(z.looseObject({ url: z.string() })).optional(),
  paths: z.record(z.string(), z.record(z.string(), z.unknown()).nullable()),
});

/** Where nothing says what an id may be, the first rows of a table are the likeliest to exist. */
const guessedIds = { type: 'integer', min: 1, max: 100 } as const satisfies Variable;

export const openApi: TrafficFormat = {
  id: 'openapi',
  title: 'OpenAPI 3 or Swagger 2, JSON or YAML',
  recognises: (_name, text) => /^\s*(?:\{\s*)?["']?(?:openapi|swagger)["']?\s*:/m.test(text.slice(0, 2000)),
  read(text) {
    const source: unknown = parse(text);
    const parsed = document.safeParse(source);
    if (!parsed.success) throw new Error('it is no OpenAPI document: `paths` is missing');
    const base = basePath(parsed.data);
    const variables: Record<string, Variable> = {};
    const problems: string[] = [];
    const described = Object.entries(parsed.data.paths).flatMap(([path, item]) => {
      const shared = parametersOf(item?.['parameters'], source);
      return Object.entries(item ?? {}).flatMap(([verb, operation]): DescribedRequest[] => {
        const method = verb.toUpperCase();
        if (!isStepMethod(method) || !isRecord(operation)) return [];
        const own = parametersOf(operation['parameters'], source);
        const parameters = [...shared.filter(({ name, in: place }) => !own.some((o) => o.name === name && o.in === place)), ...own];
        const name = typeof operation['operationId'] === 'string' ? operation['operationId'] : `${method} ${path}`;
        const needed = [
          ...parameters.filter((parameter) => parameter.required && (parameter.in === 'path' || parameter.in === 'query')),
          ...undeclared(path, parameters),
        ];
        const names = new Map(needed.map((parameter) => [parameter, variableName(path, parameter.name)]));
        for (const [parameter, variable] of names) {
          const values = valuesOf(parameter, source);
          variables[variable] ??= values ?? guessedIds;
          if (values === null) problems.push(`${name}: nothing says what ${parameter.name} may be; ${variable} is guessed as 1 to 100`);
        }
        const filled = path.replaceAll(/\{([^}]+)\}/g, (hole, parameterName: string) => {
          const entry = [...names].find(([parameter]) => parameter.in === 'path' && parameter.name === parameterName);
          return entry === undefined ? encodeURIComponent(hole) : `{${entry[1]}}`;
        });
        const query = [...names]
          .filter(([parameter]) => parameter.in === 'query')
          .map(([parameter, variable]) => `${encodeURIComponent(parameter.name)}={${variable}}`);
        const body = bodyOf(operation, source);
        const target = `${base}${filled}${query.length > 0 ? `?${query.join('&')}` : ''}`;
        return [{ name, method, target, ...(body === undefined ? {} : { body }) }];
      });
    });
    return { ...noTraffic, described, variables, problems };
  },
};

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly described: Readonly<Record<string, unknown>>;
}

function parametersOf(value: unknown, source: unknown): readonly Parameter[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item): Parameter[] => {
    const described = resolved(item, source);
    const { name, in: place, required } = described;
    if (typeof name !== 'string' || typeof place !== 'string') return [];
    return [{ name, in: place, required: required === true || place === 'path', described }];
  });
}

/** Holes of the path that nobody describes, against the specification. */
function undeclared(path: string, parameters: readonly Parameter[]): readonly Parameter[] {
  const holes = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name!);
  return holes
    .filter((name) => !parameters.some((parameter) => parameter.in === 'path' && parameter.name === name))
    .map((name) => ({ name, in: 'path', required: true, described: {} }));
}

/** Examples first: they were written to be tried. Then what the schema allows. */
function valuesOf({ described }: Parameter, source: unknown): Variable | null {
  const schema = { ...described, ...resolved(described['schema'], source) };
  const examples = [
    described['example'],
    ...Object.values(isRecord(described['examples']) ? described['examples'] : {}).map((example) => resolved(example, source)['value']),
    schema['example'],
    ...(Array.isArray(schema['examples']) ? (schema['examples'] as readonly unknown[]) : []),
    schema['default'],
  ].filter(isValue);
  if (examples.length > 0) return { type: 'one-of', values: [...new Set(examples)] };
  const choices = Array.isArray(schema['enum']) ? schema['enum'].filter(isValue) : [];
  if (choices.length > 0) return { type: 'one-of', values: choices };
  if (schema['type'] === 'boolean') return { type: 'one-of', values: ['true', 'false'] };
  const { minimum, maximum } = schema;
  if (typeof minimum === 'number' && typeof maximum === 'number')
    return { type: 'integer', min: Math.ceil(minimum), max: Math.floor(maximum) };
  return null;
}

function bodyOf(operation: Readonly<Record<string, unknown>>, source: unknown): unknown {
  const content = resolved(operation['requestBody'], source)['content'];
  const json = isRecord(content) ? resolved(content['application/json'], source) : {};
  const first = Object.values(isRecord(json['examples']) ? json['examples'] : {})[0];
  return json['example'] ?? (first === undefined ? resolved(json['schema'], source)['example'] : resolved(first, source)['value']);
}

/** Follows references inside the document; a reference to elsewhere, or in a circle, is an empty object. */
function resolved(value: unknown, source: unknown): Readonly<Record<string, unknown>> {
  let current = value;
  for (let depth = 0; depth < 20; depth += 1) {
    if (!isRecord(current)) return {};
    const { $ref: reference } = current;
    if (typeof reference !== 'string') return current;
    if (!reference.startsWith('#/')) return {};
    const keys = reference
      .slice(2)
      .split('/')
      .map((key) => decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~'));
    current = keys.reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), source);
  }
  return {};
}

function basePath({ servers, basePath: swaggerBase }: z.infer<typeof document>): string {
  const path = servers?.[0] === undefined ? (swaggerBase ?? '') : (URL.parse(servers[0].url, 'http://unknown.invalid')?.pathname ?? '');
  return path.endsWith('/') ? path.slice(0, -1) : path;
}

/** `/users/{id}` and `id` give `users_id`: an id of something else is another variable. */
function variableName(path: string, parameter: string): string {
  const before = path.split('/').findLast((segment) => segment !== '' && !segment.startsWith('{')) ?? '';
  const name = `${before}_${parameter}`.replaceAll(/\W+/g, '_').replace(/^_+/, '');
  return /^[A-Za-z_]/.test(name) ? name : `_${name}`;
}

function isValue(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}
