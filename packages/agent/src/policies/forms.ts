import { refuseAnswer, type CannedAnswer } from './outgoing/canned-answer.ts';
import type { Policy } from './index.ts';
import type { RateKey } from './limit-rate.ts';

/**
 * What each kind of policy is made of, said once: for the agent, which refuses what cannot be meant, for files that
 * people write, and for whoever tells them what is wrong.
 */
interface Field {
  /** As a person is told: `a whole number from 1`. */
  readonly is: string;
  readonly holds: (value: unknown) => boolean;
  /** What it is where a file leaves it out; a field without it has to be there. */
  readonly otherwise?: { readonly value: unknown };
}

interface Form<Kind extends Policy> {
  readonly fields: { readonly [Name in Exclude<keyof Kind, 'kind'>]-?: Field };
  /** Why fields that are right one by one are not together. */
  readonly together?: (policy: Kind) => string | null;
  /** Whether it can act without Anneal, from a file: it needs nothing to be told while it is in force. */
  readonly stands: boolean;
}

/** Null: made of what Anneal finds out about the application's statements, which nobody writes by hand. */
type Forms = { readonly [Kind in Policy['kind']]: Form<Extract<Policy, { readonly kind: Kind }>> | null };

/** Timers of Node hold 31 bits; what is longer would be over at once. */
const longestMs = 2 ** 31 - 1;

/** Far more connections than one PostgreSQL server takes. */
const largestPool = 10_000;

const number = (is: string, holds: (value: number) => boolean): Field => ({
  is,
  holds: (value) => typeof value === 'number' && Number.isFinite(value) && holds(value),
});
const wholeFrom = (least: number, most = Number.MAX_SAFE_INTEGER): Field =>
  number(
    most === Number.MAX_SAFE_INTEGER ? `a whole number from ${least}` : `a whole number from ${least} to ${most}`,
    (value) => Number.isInteger(value) && value >= least && value <= most,
  );
const positive = number('a number above 0', (value) => value > 0);
const milliseconds = number('a number of milliseconds above 0', (value) => value > 0 && value <= longestMs);
const text = (is: string, shape: RegExp): Field => ({ is, holds: (value) => typeof value === 'string' && shape.test(value) });
const several = (is: string, shape: RegExp, least: number): Field => ({
  is: `a list of ${is}`,
  holds: (value) => Array.isArray(value) && value.length >= least && value.every((one) => typeof one === 'string' && shape.test(one)),
});
const orElse = (field: Field, value: unknown): Field => ({ ...field, otherwise: { value } });

const exempt = orElse(several('paths that begin with /', /^\//, 0), []);
const routes = several('at least one route such as "/posts/:id"', /\S/, 1);
const host = /^[^\s/@]+$/;
const peers = several('at least one host or host:port', host, 1);
const poolName = text('the name of a pool: the file and line that make it, as reports name it', /\S/);

const forms: Forms = {
  'shed-load': {
    fields: {
      maxConcurrent: wholeFrom(1),
      maxWaiting: wholeFrom(0),
      targetDelayMs: milliseconds,
      intervalMs: milliseconds,
      retryAfterSeconds: positive,
      exempt,
    },
    together: ({ targetDelayMs, intervalMs }) =>
      targetDelayMs > intervalMs ? `targetDelayMs (${targetDelayMs}) must be within intervalMs (${intervalMs})` : null,
    stands: true,
  },
  'limit-rate': {
    fields: {
      name: text('letters, digits, - and _', /^[\w-]{1,64}$/),
      per: {
        is: 'a list of "address", "route" or {"header": "x-api-key"}; [] for all together',
        holds: (value) => Array.isArray(value) && value.every(isRateKey),
      },
      ratePerSecond: positive,
      burst: wholeFrom(1),
      exempt,
    },
    stands: true,
  },
  'limit-pool-waiting': { fields: { pool: poolName, maxWaiting: wholeFrom(0) }, stands: true },
  'break-circuit': {
    fields: {
      peer: text('a host or host:port', host),
      failureShare: number('a share above 0 and up to 1', (value) => value > 0 && value <= 1),
      minCalls: wholeFrom(1),
      windowMs: milliseconds,
      openMs: milliseconds,
      probes: wholeFrom(1),
      fallback: orElse(
        { is: 'null, or an answer {"status": 200, "headers": {}, "body": ""}', holds: (value) => value === null || isAnswer(value) },
        null,
      ),
    },
    together: ({ fallback }) => (fallback === null ? null : refuseAnswer(fallback)),
    stands: true,
  },
  'outgoing-timeout': { fields: { peers, timeoutMs: wholeFrom(1, longestMs) }, stands: true },
  'outgoing-keep-alive': { fields: { peers }, stands: true },
  'compress-responses': { fields: { routes, minimumBytes: orElse(wholeFrom(0), undefined) }, stands: true },
  'conditional-responses': { fields: { routes }, stands: true },
  'coalesce-requests': {
    fields: {
      routes,
      longestWaitMs: milliseconds,
      ignoredHeaders: orElse(several('header names', /^[\w-]+$/, 0), undefined),
      acrossAddresses: orElse({ is: 'true or false', holds: (value) => typeof value === 'boolean' }, undefined),
    },
    stands: true,
  },
  // For good it is the pool's own option.
  'pool-size': { fields: { pool: poolName, max: wholeFrom(1, largestPool) }, stands: false },
  'cache-responses': null,
  'cache-statements': null,
  'batch-statements': null,
};

/** Why these are no policies, and what would be. */
export interface Misread {
  readonly problem: string;
  readonly wanted: string;
}

/** Null where the policy can be meant as it is; else why not. What one kind of agent does not know it does not judge. */
export function problemWith(policy: Policy): string | null {
  const form = formOf(policy.kind);
  if (form === null || form === undefined) return null;
  for (const [name, field] of Object.entries(form.fields)) {
    const value: unknown = Reflect.get(policy, name);
    if (value === undefined ? field.otherwise === undefined : !field.holds(value)) return wrong(name, field, value);
  }
  return form.together?.(policy) ?? null;
}

/** Whether it can be in force without Anneal. */
export function stands({ kind }: Pick<Policy, 'kind'>): boolean {
  return formOf(kind)?.stands ?? false;
}

/**
 * What a person wrote: one policy, or `{ "policies": [...] }`. Unlike Anneal's own, a policy may leave out what has a
 * default, and must not hold what means nothing: a misspelt limit would be no limit.
 */
export function readPolicies(value: unknown): readonly Policy[] | Misread {
  if (!isRecord(value)) return { problem: 'it is no object', wanted: wantedFile };
  if ('kind' in value) return each([value]);
  const { policies, ...rest } = value;
  if (!Array.isArray(policies)) return { problem: 'it has neither a kind nor policies', wanted: wantedFile };
  const [stranger] = Object.keys(rest);
  if (stranger !== undefined) return { problem: `unknown field "${stranger}" beside policies`, wanted: wantedFile };
  if (policies.length === 0) return { problem: 'it holds no policy', wanted: wantedFile };
  return each(policies);
}

const kinds = Object.keys(forms) as readonly Policy['kind'][];
const writable = kinds.filter((kind) => forms[kind] !== null);
const wantedFile = `a policy {"kind": ..., limits} or {"policies": [...]}; kinds: ${writable.join(', ')}`;

function each(values: readonly unknown[]): readonly Policy[] | Misread {
  const policies: Policy[] = [];
  for (const value of values) {
    const policy = readOne(value);
    if ('problem' in policy) return policy;
    policies.push(policy);
  }
  return policies;
}

function readOne(value: unknown): Policy | Misread {
  if (!isRecord(value) || typeof value['kind'] !== 'string') return { problem: 'a policy has no kind', wanted: wantedFile };
  const { kind, ...given } = value;
  const form = formOf(kind);
  if (form === undefined) return { problem: `there are no policies of kind "${kind}"`, wanted: `one of ${writable.join(', ')}` };
  if (form === null) {
    return {
      problem: `a policy of kind ${kind} is made of what Anneal finds out about the statements of the application`,
      wanted: '`anneal optimize` plans and tries it where it is worth something, and `anneal hold` keeps it in force',
    };
  }
  const misread = (problem: string): Misread => ({ problem: `${kind}: ${problem}`, wanted: fieldsInWords(kind, form) });
  const stranger = Object.keys(given).find((name) => !Object.hasOwn(form.fields, name));
  if (stranger !== undefined) return misread(`unknown field "${stranger}"`);
  const policy: Record<string, unknown> = { kind };
  for (const [name, field] of Object.entries(form.fields)) {
    const present = given[name];
    if (present === undefined && field.otherwise === undefined) return misread(`${name} is missing: ${field.is}`);
    const meant = present === undefined ? field.otherwise?.value : present;
    if (meant !== undefined) policy[name] = meant;
  }
  const problem = problemWith(policy as unknown as Policy);
  return problem === null ? (policy as unknown as Policy) : misread(problem);
}

function fieldsInWords(kind: string, form: AnyForm): string {
  const fields = Object.entries(form.fields).map(
    ([name, { is, otherwise }]) => `${name} (${is}${otherwise === undefined ? '' : '; may be left out'})`,
  );
  return `${kind} takes ${fields.join(', ')}`;
}

interface AnyForm {
  readonly fields: Readonly<Record<string, Field>>;
  readonly together?: (policy: Policy) => string | null;
  readonly stands: boolean;
}

/** Undefined for a kind that this agent does not know. */
function formOf(kind: string): AnyForm | null | undefined {
  // Each form is only ever asked about a policy of its own kind.
  return Object.hasOwn(forms, kind) ? (forms[kind as Policy['kind']] as unknown as AnyForm | null) : undefined;
}

function wrong(name: string, { is }: Field, value: unknown): string {
  return `${name} must be ${is}, not ${value === undefined ? 'missing' : shown(value)}`;
}

function shown(value: unknown): string {
  const written = JSON.stringify(value) ?? String(value);
  return written.length <= 60 ? written : `${written.slice(0, 59)}…`;
}

function isRateKey(value: unknown): value is RateKey {
  if (value === 'address' || value === 'route') return true;
  return isRecord(value) && Object.keys(value).length === 1 && typeof value['header'] === 'string' && /^[\w-]+$/.test(value['header']);
}

function isAnswer(value: unknown): value is CannedAnswer {
  if (!isRecord(value)) return false;
  const { status, headers, body } = value;
  return (
    typeof status === 'number' &&
    typeof body === 'string' &&
    isRecord(headers) &&
    Object.values(headers).every((header) => typeof header === 'string')
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
