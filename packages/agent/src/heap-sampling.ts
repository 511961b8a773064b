import { PerformanceObserver, constants, type NodeGCPerformanceDetail } from 'node:perf_hooks';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { ScriptKinds } from './fold-profile.ts';
import { post, type InspectorSession } from './inspector-session.ts';
import type { HeapSummary, SourceLocation } from './protocol.ts';

/** One sample for 512 kB on average: nothing measurable, and twenty of them for each 10 MB. */
const samplingIntervalBytes = 512 * 1024;

/** The first seconds tell who allocates, whatever becomes of it; the rest tells who keeps. V8 samples for one of both at a time. */
const allocationMs = 3_000;

const mostCollections = 1_000;
const mostPlaces = 20;

/** Chrome DevTools Protocol, `HeapProfiler.SamplingHeapProfileNode`. Lines from 0; a frame is a function, V8 keeps no line inside it. */
interface SamplingNode {
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number; readonly columnNumber: number };
  readonly selfSize: number;
  readonly children: readonly SamplingNode[];
}

/**
 * V8's own sampling of allocations. What survives is read right after a full collection, when the heap holds least
 * that nobody needs; a collection is waited for and never asked for.
 */
export class HeapSampling {
  readonly #session: InspectorSession;
  readonly #startedAt = performance.now();
  readonly #collections = new PerformanceObserver((list) => this.#collected(list.getEntries()));
  readonly #full: { readonly atMs: number; readonly liveBytes: number }[] = [];
  #timer: NodeJS.Timeout | null = null;
  #allocation: { readonly head: SamplingNode; readonly durationMs: number } | null = null;
  #survivors: { readonly head: SamplingNode; readonly sinceMs: number } | null = null;
  #keepsFrom = Number.POSITIVE_INFINITY;

  constructor(session: InspectorSession) {
    this.#session = session;
  }

  async start(): Promise<void> {
    this.#collections.observe({ entryTypes: ['gc'] });
    await post(this.#session, 'HeapProfiler.enable');
    await post(this.#session, 'HeapProfiler.startSampling', {
      samplingInterval: samplingIntervalBytes,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    });
    this.#timer = setTimeout(() => void this.#watchSurvivors().catch(() => undefined), allocationMs);
    this.#timer.unref();
  }

  async stop(kinds: ScriptKinds): Promise<HeapSummary> {
    this.#collections.disconnect();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#allocation === null) await this.#endAllocation();
    else await post(this.#session, 'HeapProfiler.stopSampling');
    return {
      allocationMs: this.#allocation?.durationMs ?? 0,
      allocatedBytes: this.#allocation === null ? 0 : totalOf(this.#allocation.head),
      allocators: this.#allocation === null ? [] : placesOf(this.#allocation.head, kinds),
      fullCollections: this.#full,
      survivorsMs: this.#survivors?.sinceMs ?? 0,
      survivors: this.#survivors === null ? [] : placesOf(this.#survivors.head, kinds),
      limitBytes: getHeapStatistics().heap_size_limit,
    };
  }

  async #endAllocation(): Promise<void> {
    const { profile } = (await post(this.#session, 'HeapProfiler.stopSampling')) as { readonly profile: { readonly head: SamplingNode } };
    this.#allocation = { head: profile.head, durationMs: performance.now() - this.#startedAt };
  }

  async #watchSurvivors(): Promise<void> {
    await this.#endAllocation();
    await post(this.#session, 'HeapProfiler.startSampling', { samplingInterval: samplingIntervalBytes });
    this.#keepsFrom = performance.now();
  }

  #collected(entries: readonly Collection[]): void {
    const full = entries.findLast(({ detail }) => detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR);
    if (full === undefined || this.#full.length >= mostCollections) return;
    this.#full.push({ atMs: full.startTime - this.#startedAt, liveBytes: oldGenerationBytes() });
    if (full.startTime < this.#keepsFrom) return;
    this.#session.post('HeapProfiler.getSamplingProfile', {}, (error, result) => {
      if (error !== null) return;
      const { profile } = result as { readonly profile: { readonly head: SamplingNode } };
      this.#survivors = { head: profile.head, sinceMs: full.startTime - this.#keepsFrom };
    });
  }
}

interface Collection {
  readonly startTime: number;
  readonly detail?: NodeGCPerformanceDetail;
}

/** Without the young generation: what was allocated since the collection is not in it. */
function oldGenerationBytes(): number {
  return getHeapSpaceStatistics()
    .filter(({ space_name: name }) => !name.startsWith('new_') && !name.startsWith('read_only'))
    .reduce((sum, { space_used_size: sizeBytes }) => sum + sizeBytes, 0);
}

function totalOf({ selfSize, children }: SamplingNode): number {
  return children.reduce((sum, child) => sum + totalOf(child), selfSize);
}

/** Charges what was allocated to the nearest function of the application above it, largest first. */
function placesOf(head: SamplingNode, kinds: ScriptKinds): HeapSummary['allocators'] {
  const accounts = new Map<string, { readonly location: SourceLocation; sizeBytes: number }>();
  const accountOf = ({ functionName, url, lineNumber, columnNumber }: SamplingNode['callFrame']) => {
    const file = url === '' ? null : kinds.applicationFile(url);
    if (file === null) return null;
    const key = `${file}:${lineNumber}:${columnNumber}`;
    let account = accounts.get(key);
    if (account === undefined) {
      const location = kinds.originalLocation(file, lineNumber + 1, columnNumber + 1, functionName === '' ? null : functionName);
      account = { location, sizeBytes: 0 };
      accounts.set(key, account);
    }
    return account;
  };
  const charge = (node: SamplingNode, above: { sizeBytes: number } | null) => {
    const account = accountOf(node.callFrame) ?? above;
    if (account !== null) account.sizeBytes += node.selfSize;
    for (const child of node.children) charge(child, account);
  };
  charge(head, null);
  return [...accounts.values()]
    .filter(({ sizeBytes }) => sizeBytes > 0)
    .sort((one, other) => other.sizeBytes - one.sizeBytes)
    .slice(0, mostPlaces);
}
