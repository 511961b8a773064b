import { Attribution, type OpenSample } from './attribution.ts';
import type { ProfileSummary, SourceLocation } from '../protocol.ts';
import type { Timeline } from './timeline.ts';

/** V8's profile (Chrome DevTools Protocol, `Profiler.Profile`), as far as it is read here. Times in microseconds, lines from 0. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly endTime: number;
  readonly samples?: readonly number[];
  readonly timeDeltas?: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
  readonly children?: readonly number[];
  /** Lines from 1. */
  readonly positionTicks?: readonly { readonly line: number; readonly ticks: number }[];
}

export interface ScriptKinds {
  /** The path of one of the application's own files; null for everything else. */
  applicationFile(url: string): string | null;
  isAgentFile(url: string): boolean;
  originalLocation(file: string, line: number, column: number, functionName: string | null): SourceLocation;
}

/** What one node of the profile means: whose work it is, through which call, and whether that is a library's or the language's own. */
interface Charge {
  readonly account: Account;
  readonly callee: string | null;
  readonly isLibrary: boolean;
}

interface Account {
  /** As it runs; `location` follows its source map. */
  readonly file: string;
  readonly location: SourceLocation;
  selfUs: number;
  /** In its own code and in what the language does for it (sorting, patterns), not in libraries. */
  ownUs: number;
  readonly ticksByLine: Map<number, number>;
  readonly samples: OpenSample[];
  readonly calleesUs: Map<string, number>;
  longestUs: number;
  blockingStretches: number;
  blockingUs: number;
}

/** An event loop that one function keeps for this long makes every other request wait noticeably. */
const blockingUs = 10_000;

const mostFunctions = 200;

/**
 * Charges each sample to the nearest function of the application on its stack, and names the call
 * just below that function. Idle samples are nobody's; `sampledMs` is the CPU time that was sampled.
 *
 * A stretch is what lies for certain between two samples of one function with nothing else seen
 * between them, so it never overstates: one lone sample is no stretch, and none goes on over a turn of the event loop.
 */
export function foldProfile(
  profile: CpuProfile,
  intervalUs: number,
  kinds: ScriptKinds,
  timeline: Timeline = { requests: [], turnsUs: [] },
): Omit<ProfileSummary, 'heap'> {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const charges = chargesOf(profile.nodes, kinds);
  const accounts = new Set<Account>();
  const samples = profile.samples ?? [];
  const deltas = profile.timeDeltas ?? [];
  const attribution = new Attribution(timeline, profile.startTime, profile.endTime);
  const busy: OpenSample[] = [];
  const turned = turnsBetween(timeline.turnsUs);
  let sampledUs = 0;
  let at = profile.startTime;
  let stretch: { readonly account: Account; readonly from: number; to: number } | null = null;
  const endStretch = () => {
    if (stretch === null) return;
    const lengthUs = stretch.to - stretch.from;
    stretch.account.longestUs = Math.max(stretch.account.longestUs, lengthUs);
    if (lengthUs >= blockingUs) {
      stretch.account.blockingStretches += 1;
      stretch.account.blockingUs += lengthUs;
    }
    stretch = null;
  };
  samples.forEach((id, index) => {
    at += deltas[index] ?? 0;
    const name = nodes.get(id)?.callFrame.functionName;
    const lastsUs = Math.max(deltas[index + 1] ?? profile.endTime - at, 0);
    if (name === '(idle)') {
      endStretch();
      return;
    }
    sampledUs += lastsUs;
    const sample = attribution.sampleAt(at, lastsUs);
    busy.push(sample);
    // A collection in the middle of a function does not give the event loop back.
    if (name === '(garbage collector)') return;
    const charge = charges.get(id);
    if (charge === undefined) {
      endStretch();
      return;
    }
    const { account, callee, isLibrary } = charge;
    accounts.add(account);
    account.selfUs += lastsUs;
    account.samples.push(sample);
    if (!isLibrary) account.ownUs += lastsUs;
    if (callee !== null) account.calleesUs.set(callee, (account.calleesUs.get(callee) ?? 0) + lastsUs);
    if (stretch !== null && stretch.account === account && !turned(stretch.to, at)) stretch.to = at;
    else {
      endStretch();
      stretch = { account, from: at, to: at };
    }
  });
  endStretch();
  return {
    intervalUs,
    sampledMs: sampledUs / 1000,
    functions: [...accounts]
      .sort((one, other) => other.selfUs - one.selfUs)
      .slice(0, mostFunctions)
      .map((account) => summaryOf(account, attribution, kinds)),
    routes: attribution.routesOf(busy),
  };
}

/** Whether the event loop turned after the one moment and before the other; asked for in order. */
function turnsBetween(turnsUs: readonly number[]): (afterUs: number, beforeUs: number) => boolean {
  let next = 0;
  return (afterUs, beforeUs) => {
    while (next < turnsUs.length && turnsUs[next]! <= afterUs) next += 1;
    return next < turnsUs.length && turnsUs[next]! < beforeUs;
  };
}

/** Fewer samples say nothing about whose they are. */
const fewestSamples = 5;

function summaryOf(account: Account, attribution: Attribution, kinds: ScriptKinds): ProfileSummary['functions'][number] {
  const [heaviest] = [...account.calleesUs].sort((one, other) => other[1] - one[1]);
  const ownUs = account.selfUs - account.calleesUs.values().reduce((sum, calleeUs) => sum + calleeUs, 0);
  const named = heaviest !== undefined && heaviest[1] >= ownUs ? heaviest : null;
  return {
    location: account.location,
    selfMs: account.selfUs / 1000,
    ownMs: account.ownUs / 1000,
    hottestLine: hottestLine(account, kinds),
    routes: account.samples.length < fewestSamples ? [] : attribution.routesOf(account.samples),
    heaviestCallee: named?.[0] ?? null,
    heaviestCalleeMs: (named?.[1] ?? 0) / 1000,
    longestStretchMs: account.longestUs / 1000,
    blockingStretches: account.blockingStretches,
    blockingMs: account.blockingUs / 1000,
  };
}

/** The line of its own code that was met most; null where only what it calls was met. */
function hottestLine({ ticksByLine, file, location }: Account, kinds: ScriptKinds): number | null {
  let hottest: number | null = null;
  for (const [line, ticks] of ticksByLine) if (hottest === null || ticks > ticksByLine.get(hottest)!) hottest = line;
  return hottest === null ? null : kinds.originalLocation(file, hottest, 1, location.function).line;
}

/** Walks the tree once from its root; children inherit what their parents found. */
function chargesOf(nodes: readonly ProfileNode[], kinds: ScriptKinds): ReadonlyMap<number, Charge> {
  const charges = new Map<number, Charge>();
  const accounts = new Map<string, Account>();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const open: { readonly node: ProfileNode; readonly above: Charge | null }[] = nodes.slice(0, 1).map((node) => ({ node, above: null }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const charge = chargeOf(next.node, next.above, accounts, kinds);
    if (charge !== null) charges.set(next.node.id, charge);
    for (const child of next.node.children ?? []) {
      const node = byId.get(child);
      if (node !== undefined) open.push({ node, above: charge });
    }
  }
  return charges;
}

function countTicks({ ticksByLine }: Account, positionTicks: ProfileNode['positionTicks'] = []): void {
  for (const { line, ticks } of positionTicks) ticksByLine.set(line, (ticksByLine.get(line) ?? 0) + ticks);
}

function chargeOf(
  { callFrame, positionTicks }: ProfileNode,
  above: Charge | null,
  accounts: Map<string, Account>,
  kinds: ScriptKinds,
): Charge | null {
  const { functionName, url, lineNumber, columnNumber } = callFrame;
  const file = url === '' ? null : kinds.applicationFile(url);
  // A callback without a name is a part of the function around it: `lines.map((line) => ...)`.
  if (file !== null && functionName === '' && above?.account.file === file) {
    countTicks(above.account, positionTicks);
    return { account: above.account, callee: null, isLibrary: false };
  }
  if (file !== null) {
    const key = `${file}:${lineNumber}:${columnNumber}`;
    let account = accounts.get(key);
    if (account === undefined) {
      const location = kinds.originalLocation(file, lineNumber + 1, columnNumber + 1, functionName === '' ? null : functionName);
      account = {
        file,
        location,
        selfUs: 0,
        ownUs: 0,
        ticksByLine: new Map(),
        samples: [],
        calleesUs: new Map(),
        longestUs: 0,
        blockingStretches: 0,
        blockingUs: 0,
      };
      accounts.set(key, account);
    }
    countTicks(account, positionTicks);
    return { account, callee: null, isLibrary: false };
  }
  if (above === null) return null;
  if (above.callee !== null) return above.isLibrary || url === '' ? above : { ...above, isLibrary: true };
  // The agent stands in front of what the application called; only its JSON.stringify has nothing but native code below.
  if (url !== '' && kinds.isAgentFile(url))
    return functionName === 'stringify' ? { ...above, callee: 'JSON.stringify', isLibrary: true } : above;
  if (functionName === '' || functionName.startsWith('(')) return above;
  return { ...above, callee: functionName, isLibrary: url !== '' };
}
