import { basename, join, resolve } from 'node:path';
import { existsSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { AnnealError } from './errors.ts';
import type { RedisAddress, Target } from './target/target.ts';
import type { Workload } from './workload/workload.ts';
import { shortLooks } from './trial/decide.ts';
import { workloadFromUrls } from './workload/workload-from-urls.ts';

/** To leave one of these out of account would be to give out another representation, or another site's. */
const aboutTheAnswer: ReadonlySet<string> = new Set(['accept', 'accept-charset', 'accept-encoding', 'accept-language', 'host', 'range']);

/** Durations are milliseconds, shares 0-1. Every key but `target.start` and `workload` has a default. */
const configSchema = z.strictObject({
  target: z.strictObject({
    start: z.string().min(1).describe('Shell command that starts the backend in the foreground'),
    name: z.string().min(1).optional().describe("Shown in reports; default: the folder's name"),
    cwd: z.string().optional().describe('Working directory, relative to the configuration file'),
    env: z.record(z.string(), z.string()).optional().describe('Added to the environment'),
    portVariable: z.string().min(1).optional().describe('Environment variable the backend reads its port from; default PORT'),
    ready: z.string().startsWith('/').optional().describe('Path that answers below 500 once the backend is ready; default /'),
    readyTimeoutMs: z.number().int().positive().optional().describe('Default 30000'),
    otlp: z
      .union([z.boolean(), z.number().int().min(1).max(65_535)])
      .optional()
      .describe(
        'Read the OpenTelemetry traces that the backend exports (OTLP/HTTP) in place of the agent; a number is the port to listen on',
      ),
  }),
  database: z
    .strictObject({
      url: z.string().min(1).optional().describe('Default: the environment variable named by urlVariable'),
      urlVariable: z.string().min(1).optional().describe('Environment variable the backend reads its database from; default DATABASE_URL'),
      allowRemoteChange: z
        .boolean()
        .optional()
        .describe('Allow copies and indexes on a database that is not on this machine; default false'),
    })
    .optional(),
  workload: z
    .union([
      z.strictObject({
        urls: z.array(z.string().min(1)).describe('Requests such as "/users/1" or "POST /orders {\\"item\\":1}"'),
        ratePerSecond: z.number().positive().optional().describe('Default 20'),
      }),
      z.strictObject({
        file: z.string().min(1).describe('A workload as `anneal import` writes it, relative to the configuration file'),
        speed: z.number().positive().optional().describe('Plays recorded traffic so many times faster; default 1'),
      }),
      z.looseObject({ name: z.string(), scenarios: z.array(z.unknown()) }),
    ])
    .describe('A list of URLs, a file, or a whole workload (docs/how-to/describe-your-traffic.md)'),
  measure: z
    .strictObject({
      warmupMs: z.number().int().positive().optional().describe('Longest warm-up; it ends earlier once three slices agree. Default 15000'),
      windowMs: z.number().int().positive().optional().describe('Default 30000'),
    })
    .optional(),
  diagnose: z
    .strictObject({
      minimumShare: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe("Findings below this share of the workload's time are not reported; default 0.01"),
    })
    .optional(),
  trial: z
    .strictObject({
      sliceMs: z
        .number()
        .int()
        .positive()
        .optional()
        .describe('Default 2000: a garbage collection or a checkpoint should be part of most slices'),
      looks: z
        .array(z.number().int().positive())
        .min(1)
        .optional()
        .describe('Rounds after which the evidence is weighed; default 9, 12, 16, 24'),
      withinMs: z
        .number()
        .int()
        .positive()
        .optional()
        .describe(
          'Changes whose turn comes later than so long after the start are left untried, the least worth last; default: all are tried',
        ),
      minimumEffect: z.number().positive().max(1).optional().describe('Smallest gain worth keeping; default 0.03'),
      writeVolumeMargin: z.number().min(0).optional().describe('How much more write-ahead log a change may cause; default 0.25'),
      answers: z
        .number()
        .int()
        .positive()
        .optional()
        .describe('Iterations whose answers are compared, every scenario at least once where there are enough; default 80'),
    })
    .optional(),
  cache: z
    .strictObject({
      redisUrl: z
        .string()
        .refine((url) => redisAddress(url) !== null, {
          error: 'redis://host:port, without a password, TLS or a database number: the agent asks that Redis by itself',
        })
        .describe(
          'A Redis that all processes of the backend share, redis://host:port: what is kept in memory is dropped in all of them when one writes. Give it where more than one process serves',
        )
        .optional(),
      sameForEveryone: z
        .record(
          z.string().startsWith('/'),
          z
            .array(
              z
                .string()
                .regex(/^[\w-]+$/)
                .refine((name) => !aboutTheAnswer.has(name.toLowerCase()), {
                  error: 'this header says what is asked for, not who asks: answers that differ by it are different answers',
                }),
            )
            .min(1),
        )
        .optional()
        .describe(
          'WARNING: answers of these routes that are kept in memory are given to everybody, also to those whom the application would have refused, because no code of it runs for them. ' +
            'Routes whose answers are the same whoever asks, each with the request headers that tell who does, { "/posts/:id": ["authorization", "cookie"] }. ' +
            'Default: none; no answer is given to another identity',
        ),
    })
    .optional(),
  record: z
    .strictObject({
      consent: z.literal(true).describe('You may record what your users ask for: addresses, with the values in them'),
      share: z.number().positive().max(1).optional().describe('Share of the requests that is recorded; default 1'),
      port: z.number().int().positive().max(65_535).optional().describe('Where the backend listens while it is recorded; default 3000'),
    })
    .optional(),
  output: z.string().min(1).optional().describe('Folder for runs and ledger; default .anneal'),
  seed: z.number().int().nonnegative().optional().describe('Default 1'),
});

export const configJsonSchema = (): unknown => z.toJSONSchema(configSchema, { io: 'input' });

/** What a person writes in anneal.config.ts. */
export interface AnnealConfig {
  readonly target: {
    readonly start: string;
    readonly name?: string;
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
    readonly portVariable?: string;
    readonly ready?: string;
    readonly readyTimeoutMs?: number;
    readonly otlp?: boolean | number;
  };
  readonly database?: { readonly url?: string; readonly urlVariable?: string; readonly allowRemoteChange?: boolean };
  readonly workload:
    | { readonly urls: readonly string[]; readonly ratePerSecond?: number }
    | { readonly file: string; readonly speed?: number }
    | Workload;
  readonly measure?: { readonly warmupMs?: number; readonly windowMs?: number };
  readonly diagnose?: { readonly minimumShare?: number };
  readonly trial?: {
    readonly sliceMs?: number;
    readonly looks?: readonly number[];
    readonly withinMs?: number;
    readonly minimumEffect?: number;
    readonly writeVolumeMargin?: number;
    readonly answers?: number;
  };
  readonly cache?: {
    readonly redisUrl?: string;
    /**
     * Routes whose answers are the same whoever asks, each with the request headers that tell who does. What is kept of them is
     * given to everybody, also to those whom the application would have refused.
     */
    readonly sameForEveryone?: Readonly<Record<string, readonly string[]>>;
  };
  readonly record?: { readonly consent: true; readonly share?: number; readonly port?: number };
  readonly output?: string;
  readonly seed?: number;
}

/** Gives completion in anneal.config.ts; changes nothing. */
export function defineConfig(config: AnnealConfig): AnnealConfig {
  return config;
}

/** Every default filled in, every path absolute. */
export interface Settings {
  /** Where the target already runs, for measuring it without starting it; null to have it started. */
  readonly attachUrl: string | null;
  /** Whether the workload may write where it attaches; default false. */
  readonly attachMayWrite?: boolean;
  readonly target: Target;
  readonly workload: Workload;
  readonly measure: { readonly warmupMs: number; readonly windowMs: number };
  readonly diagnose: { readonly minimumShare: number };
  readonly trial: TrialSettings;
  /** Absent where one process serves, or nobody said. */
  readonly sharedCache?: RedisAddress;
  /** Request headers, in lower case, that do not change a route's answer; absent where nobody said so of any. */
  readonly sameForEveryone?: ReadonlyMap<string, readonly string[]>;
  /** Null without consent. */
  readonly record: RecordSettings | null;
  readonly outputFolder: string;
  readonly seed: number;
}

export interface RecordSettings {
  readonly share: number;
  readonly port: number;
}

export interface TrialSettings {
  /** After the run's start; null: no limit. */
  readonly withinMs: number | null;
  readonly sliceMs: number;
  readonly looks: readonly number[];
  readonly minimumEffect: number;
  readonly writeVolumeMargin: number;
  readonly answers: number;
}

const configFileNames = ['anneal.config.ts', 'anneal.config.mts', 'anneal.config.js', 'anneal.config.mjs', 'anneal.config.json'];

/** Null when the folder holds no configuration. */
export function findConfigFile(folder: string): string | null {
  return configFileNames.map((name) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

/** Throws ANNEAL_CONFIG_UNREADABLE when the file cannot be loaded and ANNEAL_CONFIG_INVALID when it holds what it should not. */
export async function loadConfig(path: string): Promise<AnnealConfig> {
  let loaded: { readonly default?: unknown };
  try {
    loaded = path.endsWith('.json')
      ? await import(pathToFileURL(path).href, { with: { type: 'json' } })
      : await import(pathToFileURL(path).href);
  } catch (cause) {
    throw new AnnealError('ANNEAL_CONFIG_UNREADABLE', { path, problem: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
  return parseConfig(loaded.default, path);
}

export function parseConfig(value: unknown, path: string): AnnealConfig {
  const parsed = configSchema.safeParse(value);
  if (parsed.success) return parsed.data as unknown as AnnealConfig;
  throw new AnnealError('ANNEAL_CONFIG_INVALID', { path, problem: parsed.error.issues.map(describeIssue).join('; ') });
}

/**
 * Flags have been merged into `config` by the caller; the environment fills what is left.
 * `folder` is what relative paths are relative to.
 */
export function resolveSettings(config: AnnealConfig, folder: string, environment: NodeJS.ProcessEnv = process.env): Settings {
  const urlVariable = config.database?.urlVariable ?? 'DATABASE_URL';
  const databaseUrl = config.database?.url ?? environment[urlVariable];
  const workingDirectory = resolve(folder, config.target.cwd ?? '.');
  const seed = config.seed ?? 1;
  return {
    attachUrl: null,
    target: {
      name: config.target.name ?? basename(workingDirectory),
      startCommand: config.target.start,
      workingDirectory,
      env: config.target.env ?? {},
      portVariable: config.target.portVariable ?? 'PORT',
      readyPath: config.target.ready ?? '/',
      readyTimeoutMs: config.target.readyTimeoutMs ?? 30_000,
      ...tracesOf(config.target.otlp),
      database:
        databaseUrl === undefined
          ? null
          : { url: databaseUrl, urlVariable, allowRemoteChange: config.database?.allowRemoteChange ?? false },
    },
    workload: workloadOf(config.workload, folder, seed),
    measure: { warmupMs: config.measure?.warmupMs ?? 15_000, windowMs: config.measure?.windowMs ?? 30_000 },
    diagnose: { minimumShare: config.diagnose?.minimumShare ?? 0.01 },
    trial: {
      sliceMs: config.trial?.sliceMs ?? 2000,
      looks: config.trial?.looks ?? shortLooks,
      withinMs: config.trial?.withinMs ?? null,
      minimumEffect: config.trial?.minimumEffect ?? 0.03,
      writeVolumeMargin: config.trial?.writeVolumeMargin ?? 0.25,
      answers: config.trial?.answers ?? 80,
    },
    ...(config.cache?.redisUrl === undefined ? {} : { sharedCache: redisAddress(config.cache.redisUrl)! }),
    ...(config.cache?.sameForEveryone === undefined ? {} : { sameForEveryone: lowerCased(config.cache.sameForEveryone) }),
    record: config.record === undefined ? null : { share: config.record.share ?? 1, port: config.record.port ?? 3000 },
    outputFolder: resolve(folder, config.output ?? '.anneal'),
    seed,
  };
}

/** Null for what is no Redis that can be talked to in the clear and without a login. */
function redisAddress(url: string): RedisAddress | null {
  const parsed = URL.parse(url);
  const isPlain = parsed?.protocol === 'redis:' && parsed.hostname !== '' && /^(?:|\/|\/0)$/.test(parsed.pathname);
  if (!isPlain || parsed.username !== '' || parsed.password !== '' || parsed.search !== '') return null;
  return { host: parsed.hostname.replace(/^\[|\]$/g, ''), port: parsed.port === '' ? 6379 : Number(parsed.port) };
}

function lowerCased(headersByRoute: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, readonly string[]> {
  return new Map(Object.entries(headersByRoute).map(([route, headers]) => [route, headers.map((name) => name.toLowerCase())]));
}

function tracesOf(otlp: boolean | number | undefined): Pick<Target, 'traces'> {
  if (otlp === undefined || otlp === false) return {};
  return { traces: { port: otlp === true ? 0 : otlp } };
}

function workloadOf(workload: AnnealConfig['workload'], folder: string, seed: number): Workload {
  if ('urls' in workload) return workloadFromUrls(workload.urls, { ratePerSecond: workload.ratePerSecond ?? 20, seed });
  if (!('file' in workload)) return workload;
  const loaded = loadWorkloadFile(resolve(folder, workload.file));
  if (workload.speed === undefined) return loaded;
  if (loaded.executor.type === 'recorded-arrivals') return { ...loaded, executor: { ...loaded.executor, speed: workload.speed } };
  throw new AnnealError('ANNEAL_WORKLOAD_INVALID', { name: loaded.name, problem: 'speed is for recorded arrivals, and it has none' });
}

/** Throws ANNEAL_TRAFFIC_UNREADABLE when there is no workload in the file. What it holds is judged when it is used. */
export function loadWorkloadFile(path: string): Workload {
  const fail = (problem: string, cause?: unknown) => new AnnealError('ANNEAL_TRAFFIC_UNREADABLE', { file: path, problem }, { cause });
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const parsed = workloadFile.safeParse(value);
  if (!parsed.success) throw fail(`it is no workload: ${parsed.error.issues.map(describeIssue).join('; ')}`);
  return parsed.data as unknown as Workload;
}

const workloadFile = z.looseObject({
  name: z.string(),
  seed: z.number().int(),
  executor: z.looseObject({ type: z.string() }),
  scenarios: z.array(z.looseObject({ name: z.string(), weight: z.number(), steps: z.array(z.looseObject({ path: z.string() })) })),
  variables: z.record(z.string(), z.looseObject({ type: z.string() })),
  login: z.looseObject({}).nullable(),
  thresholds: z.record(z.string(), z.array(z.string())),
});

function describeIssue(issue: z.core.$ZodIssue): string {
  const where = issue.path.join('.') || 'the configuration';
  if (issue.code !== 'unrecognized_keys') return `${where}: ${issue.message}`;
  const known = knownKeys(issue.path.map(String));
  return issue.keys
    .map((key) => {
      const nearest = nearestName(key, known);
      return `unknown key "${[...issue.path, key].join('.')}"${nearest === null ? '' : ` (did you mean "${nearest}"?)`}`;
    })
    .join('; ');
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, ObjectSchema>>;
}

function knownKeys(path: readonly string[]): readonly string[] {
  let schema: ObjectSchema = configJsonSchema() as ObjectSchema;
  for (const key of path) schema = schema.properties?.[key] ?? {};
  return Object.keys(schema.properties ?? {});
}

/** The known name within a third of its length in edits, or null: a far-fetched guess helps nobody. */
function nearestName(name: string, known: readonly string[]): string | null {
  const ranked = known.map((candidate) => ({ candidate, edits: editDistance(name, candidate) })).toSorted((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(2, best.candidate.length / 3) ? best.candidate : null;
}

/** Levenshtein distance, case ignored. */
function editDistance(left: string, right: string): number {
  const [a, b] = [left.toLowerCase(), right.toLowerCase()];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(previous[column]! + 1, current[column - 1]! + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length]!;
}
