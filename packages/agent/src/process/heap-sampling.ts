import { PerformanceObserver, constants, type NodeGCPerformanceDetail } from 'node:perf_hooks';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { ScriptKinds } from './fold-profile.ts';
import type { HeapQuestion } from './heap-question.ts';
import { post, type InspectorSession } from './inspector-session.ts';
import type { HeapSummary, SourceLocation } from '../protocol.ts';

/** One sample for 512 kB on average is twenty of them for each 10 MB. */
const shortestIntervalBytes = 512 * 1024;

/** A sample takes some 75 us, so these take less than a per cent of what the process uses: at 500 a second it was 4 %. */
const samplesPerCpuSecond = 100;

const mostCollections = 1_000;
const mostPlaces = 20;

/** Chrome DevTools Protocol, `HeapProfiler.SamplingHeapProfileNode`. Lines from 0; a frame is a function, V8 keeps no line inside it. */
interface SamplingNode {
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number; readonly columnNumber: number };
  readonly selfSize: number;
  readonly children: readonly SamplingNode[];
}

/** A line needs that many points before it is worth asking who keeps. */
const fewestPoints = 3;

/**
 * V8's own sampling of allocations. Reading the samples makes V8 collect the whole heap once, and nobody asked the
 * target for that: they are read when the window is over, and only where an answer is wanted, because collections took
 * much of the time before the window, or because what full collections of V8's own left has grown. A healthy process
 * is never made to collect.
 */
export class HeapSampling {
  readonly #session: InspectorSession;
  readonly #question: HeapQuestion;
  readonly #startedAt = performance.now();
  readonly #collections = new PerformanceObserver((list) => this.#collected(list.getEntries()));
  readonly #full: { readonly atMs: number; readonly liveBytes: number }[] = [];

  readonly #intervalBytes: number;

  /** `allocatedPerCpuSecond` in bytes, as far as is known; 0 if nothing is. */
  constructor(session: InspectorSession, question: HeapQuestion, allocatedPerCpuSecond: number) {
    this.#session = session;
    this.#question = question;
    this.#intervalBytes = Math.max(Math.round(allocatedPerCpuSecond / samplesPerCpuSecond), shortestIntervalBytes);
  }

  async start(): Promise<void> {
    this.#collections.observe({ entryTypes: ['gc'] });
    const evenCollected = this.#question === 'who allocates';
    await post(this.#session, 'HeapProfiler.enable');
    await post(this.#session, 'HeapProfiler.startSampling', {
      samplingInterval: this.#intervalBytes,
      includeObjectsCollectedByMajorGC: evenCollected,
      includeObjectsCollectedByMinorGC: evenCollected,
    });
  }

  async summary(kinds: ScriptKinds): Promise<HeapSummary> {
    this.#collected(this.#collections.takeRecords());
    const durationMs = performance.now() - this.#startedAt;
    const head = this.#isWanted() ? await this.#read() : null;
    const allocated = this.#question === 'who allocates' ? head : null;
    const kept = this.#question === 'who keeps' ? head : null;
    return {
      allocationMs: allocated === null ? 0 : durationMs,
      allocatedBytes: allocated === null ? 0 : totalOf(allocated),
      allocators: allocated === null ? [] : placesOf(allocated, kinds),
      fullCollections: this.#full,
      survivorsMs: kept === null ? 0 : durationMs,
      survivors: kept === null ? [] : placesOf(kept, kinds),
      limitBytes: getHeapStatistics().heap_size_limit,
    };
  }

  /** Lets go of the samples, without the collection that reading them takes. */
  async end(): Promise<void> {
    this.#collections.disconnect();
    await post(this.#session, 'HeapProfiler.disable');
  }

  #isWanted(): boolean {
    return (
      this.#question === 'who allocates' || (this.#full.length >= fewestPoints && this.#full.at(-1)!.liveBytes > this.#full[0]!.liveBytes)
    );
  }

  async #read(): Promise<SamplingNode> {
    const { profile } = (await post(this.#session, 'HeapProfiler.stopSampling')) as { readonly profile: { readonly head: SamplingNode } };
    return profile.head;
  }

  #collected(entries: readonly Collection[]): void {
    const full = entries.findLast(({ detail }) => detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR);
    if (full === undefined || this.#full.length >= mostCollections) return;
    this.#full.push({ atMs: full.startTime - this.#startedAt, liveBytes: oldGenerationBytes() });
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
