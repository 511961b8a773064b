import { dirname, isAbsolute, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { originIn } from './origins.ts';
import type { SourceLocation } from '../protocol.ts';

const agentFolder = dirname(dirname(fileURLToPath(import.meta.url))) + sep;

/** Deep enough for an ORM between the caller and the driver (TypeORM: 8 frames) with room for middleware. */
const deepestStack = 30;

/** Where the caller is near, as on the way into a library, a stack of fewer frames costs a third. */
export const nearStack = 12;

const mostPlaces = 10_000;
/** Null: a package's code within a bundle. */
const places = new Map<string, SourceLocation | null>();

/** Whether code that generates code has used up all places: further ones are not told apart, because equal ones would no longer be the same object. */
export function placesAreFull(): boolean {
  return places.size >= mostPlaces;
}

/**
 * The nearest frame of the application on the current stack, awaiting callers included; null where
 * there is none. Equal places give the same object, so that they compare by identity.
 *
 * Costs some 30 us: callers take it once per template and place, never per query (see `CallSiteSampler`).
 */
export function captureCallSite(frames = deepestStack): SourceLocation | null {
  return captureCaller(frames).location;
}

/** The same of callers that have not returned: those that only await something below them began it, and need not know of it. */
export function captureRunningCallSite(): SourceLocation | null {
  return captureCaller(deepestStack, false).location;
}

export interface Caller {
  readonly location: SourceLocation | null;
  /** The package that stands between; null where the application made the call itself. */
  readonly via: string | null;
  /** How many calls of packages stand between. */
  readonly packageFrames: number;
}

/** The same, with the package nearest to the call, if one made it for the application. */
export function captureCaller(frames = deepestStack, orAwaits = true): Caller {
  let via: string | null = null;
  let packageFrames = 0;
  for (const frame of currentFrames(frames)) {
    if (!orAwaits && frame.isAsync()) break;
    const name = frame.getFileName() ?? null;
    const file = applicationFile(name);
    if (file === null) {
      const between = name === null || isAgentFile(name) ? null : packageOf(name);
      via ??= between;
      if (between !== null) packageFrames += 1;
      continue;
    }
    const line = frame.getLineNumber();
    const column = frame.getColumnNumber();
    if (line === null || column === null) continue;
    const location = placeOf(file, line, column, frame.getFunctionName());
    if (location !== null || placesAreFull()) return { location, via, packageFrames };
    packageFrames += 1;
  }
  return { location: null, via, packageFrames };
}

function packageOf(scriptName: string): string | null {
  return /.*[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/s.exec(scriptName)?.[1] ?? null;
}

/** The path when a script's name is one of the application's own files; null for Node's, packages' and the agent's. */
export function applicationFile(scriptName: string | null): string | null {
  if (scriptName === null || scriptName.startsWith('node:')) return null;
  const path = scriptName.startsWith('file:') ? fileURLToPath(scriptName) : scriptName;
  if (!isAbsolute(path) || path.startsWith(agentFolder)) return null;
  return path.includes(`${sep}node_modules${sep}`) ? null : path;
}

export function isAgentFile(scriptName: string): boolean {
  return (scriptName.startsWith('file:') ? fileURLToPath(scriptName) : scriptName).startsWith(agentFolder);
}

/** Follows a source map, where there is one (see `origins.ts`); lines and columns count from 1. */
export function originalLocation(file: string, line: number, column: number, functionName: string | null): SourceLocation {
  const origin = originIn(file, line, column);
  return { file: origin.file, line: origin.line, column: origin.column, function: functionName };
}

function placeOf(file: string, line: number, column: number, functionName: string | null): SourceLocation | null {
  const key = `${file}:${line}:${column}`;
  const known = places.get(key);
  if (known !== undefined) return known;
  if (placesAreFull()) return null;
  const origin = originIn(file, line, column);
  const place = origin.ofPackage ? null : { file: origin.file, line: origin.line, column: origin.column, function: functionName };
  places.set(key, place);
  return place;
}

/** Structured frames through V8's own hook; what the application set is put back at once. */
function currentFrames(most: number): readonly NodeJS.CallSite[] {
  const { stackTraceLimit } = Error;
  const prepareStackTrace: unknown = Reflect.get(Error, 'prepareStackTrace');
  const holder: { stack?: unknown } = {};
  try {
    Error.stackTraceLimit = most;
    Error.prepareStackTrace = (_error, frames) => frames;
    Error.captureStackTrace(holder, currentFrames);
    const frames = holder.stack;
    return Array.isArray(frames) ? (frames as NodeJS.CallSite[]) : [];
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    if (prepareStackTrace === undefined) Reflect.deleteProperty(Error, 'prepareStackTrace');
    else Reflect.set(Error, 'prepareStackTrace', prepareStackTrace);
  }
}

const alwaysFirst = 20;
const thenOneIn = 1024;
const owedToNewRoute = 4;

/**
 * Decides which calls pay for a stack: the first 20, then 1 in 1,024, and a few more whenever a
 * route turns up whose place is not known yet. Every query would cost 41 to 77 % of a request's CPU;
 * this costs nothing measurable.
 */
export class CallSiteSampler {
  #calls = 0;
  #owed = alwaysFirst;
  /** Set once the same template came from two places of one route: then whole requests are captured, within a budget. */
  severalPlaces = false;

  wants(): boolean {
    this.#calls += 1;
    if (this.#owed > 0) {
      this.#owed -= 1;
      return true;
    }
    return this.#calls % thenOneIn === 0;
  }

  askAgain(): void {
    this.#owed = Math.max(this.#owed, owedToNewRoute);
  }
}

/** 200 stacks of 30 us a second are 0.6 % of one core. */
const capturesPerSecond = 200;

/** What requests that tell two places of one template apart may spend together. */
export class CaptureBudget {
  #second = 0;
  #spent = 0;

  /** Reserves one request's captures; `nowMs` is monotonic. */
  take(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#spent = 0;
    }
    return this.#spent < capturesPerSecond;
  }

  spend(): void {
    this.#spent += 1;
  }
}
