import type { ProfileSummary, SourceLocation } from './protocol.ts';

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
}

export interface ScriptKinds {
  /** The path of one of the application's own files; null for everything else. */
  applicationFile(url: string): string | null;
  isAgentFile(url: string): boolean;
  originalLocation(file: string, line: number, column: number, functionName: string | null): SourceLocation;
}

/** What one node of the profile means: whose work it is, and through which call. */
interface Charge {
  readonly account: Account;
  readonly callee: string | null;
}

interface Account {
  readonly location: SourceLocation;
  selfUs: number;
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
 * between them, so it never overstates: one lone sample is no stretch.
 */
export function foldProfile(profile: CpuProfile, intervalUs: number, kinds: ScriptKinds): ProfileSummary {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const charges = chargesOf(profile.nodes, kinds);
  const accounts = new Set<Account>();
  const samples = profile.samples ?? [];
  const deltas = profile.timeDeltas ?? [];
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
    // A collection in the middle of a function does not give the event loop back.
    if (name === '(garbage collector)') return;
    const charge = charges.get(id);
    if (charge === undefined) {
      endStretch();
      return;
    }
    const { account, callee } = charge;
    accounts.add(account);
    account.selfUs += lastsUs;
    if (callee !== null) account.calleesUs.set(callee, (account.calleesUs.get(callee) ?? 0) + lastsUs);
    if (stretch !== null && stretch.account === account) stretch.to = at;
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
      .map(summaryOf),
  };
}

function summaryOf(account: Account): ProfileSummary['functions'][number] {
  const [heaviest] = [...account.calleesUs].sort((one, other) => other[1] - one[1]);
  const ownUs = account.selfUs - account.calleesUs.values().reduce((sum, calleeUs) => sum + calleeUs, 0);
  const named = heaviest !== undefined && heaviest[1] >= ownUs ? heaviest : null;
  return {
    location: account.location,
    selfMs: account.selfUs / 1000,
    heaviestCallee: named?.[0] ?? null,
    heaviestCalleeMs: (named?.[1] ?? 0) / 1000,
    longestStretchMs: account.longestUs / 1000,
    blockingStretches: account.blockingStretches,
    blockingMs: account.blockingUs / 1000,
  };
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

function chargeOf({ callFrame }: ProfileNode, above: Charge | null, accounts: Map<string, Account>, kinds: ScriptKinds): Charge | null {
  const { functionName, url, lineNumber, columnNumber } = callFrame;
  const file = url === '' ? null : kinds.applicationFile(url);
  if (file !== null) {
    const key = `${file}:${lineNumber}:${columnNumber}`;
    let account = accounts.get(key);
    if (account === undefined) {
      const location = kinds.originalLocation(file, lineNumber + 1, columnNumber + 1, functionName === '' ? null : functionName);
      account = { location, selfUs: 0, calleesUs: new Map(), longestUs: 0, blockingStretches: 0, blockingUs: 0 };
      accounts.set(key, account);
    }
    return { account, callee: null };
  }
  if (above === null || above.callee !== null) return above;
  // The agent stands in front of what the application called; only its JSON.stringify has nothing but native code below.
  if (url !== '' && kinds.isAgentFile(url)) return functionName === 'stringify' ? { ...above, callee: 'JSON.stringify' } : above;
  if (functionName === '' || functionName.startsWith('(')) return above;
  return { ...above, callee: functionName };
}
