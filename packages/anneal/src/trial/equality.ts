import { refusedBy } from '../workload/refusals.ts';
import type { ReplayedAnswer } from '../workload/replay.ts';
import { type AnswerJson, bagOf, differencesOf, type JsonDifference, leavesOf, parseAnswer, typeOf, written } from './answer-json.ts';
import type { Equality, Mask, Mismatch, UnknownAnswer } from './trial.ts';

export interface EqualityRules {
  /** A mask of `$` is refused: the answers of its request are unknown. */
  readonly masks: readonly Mask[];
  /** Requests in whose answers arrays are bags, because nothing orders them. */
  readonly orderFreeRequests: ReadonlySet<string>;
}

/** Headers that change what a client does with an answer. */
const comparedHeaders = ['content-type', 'location', 'cache-control'] as const;

/**
 * Whether the candidate answered what the baseline answered, request by request in the order of the
 * replay. Objects are compared by key, arrays by position, numbers as they are written, everything
 * that is not JSON as text.
 */
export function compareAnswers(
  baseline: readonly ReplayedAnswer[],
  candidate: readonly ReplayedAnswer[],
  { masks, orderFreeRequests }: EqualityRules,
): Equality {
  const refused = new Map(masks.filter(({ path }) => path === '$').map(({ request, reason }) => [request, reason]));
  const accepted = masks.filter(({ path }) => path !== '$');
  const masked = new Set(accepted.map(({ request, path }) => placeKey(request, path)));
  const mismatches = new Map<string, Mismatch>();
  const unknown = new Map<string, UnknownAnswer>();
  let compared = 0;
  let reordered = 0;

  for (const [before, after] of pairsOf(baseline, candidate)) {
    const { request } = before;
    const reason = refused.get(request) ?? whyIncomparable(before, after);
    if (reason !== null) {
      unknown.set(request, { request, reason });
      continue;
    }
    compared += 1;
    const isMasked = (path: string) => masked.has(placeKey(request, path));
    const differences = answerDifferences(before, after).filter(({ place, maskable }) => !(maskable && isMasked(place)));
    if (differences.length === 0) continue;
    if (orderFreeRequests.has(request) && differences.every(({ inBody }) => inBody) && sameBag(before, after, isMasked)) {
      reordered += 1;
      continue;
    }
    // The same place of the same request is told once, however many answers and elements show it.
    for (const { place, where, difference } of differences) {
      const key = placeKey(request, place);
      if (!mismatches.has(key)) mismatches.set(key, { request, where, difference });
    }
  }
  if (baseline.length !== candidate.length) {
    const request = (baseline[candidate.length] ?? candidate[baseline.length])!.request;
    unknown.set(request, { request, reason: `${baseline.length} answers on the baseline, ${candidate.length} on the candidate` });
  }
  return {
    result: mismatches.size > 0 ? 'mismatch' : unknown.size > 0 || compared === 0 ? 'unknown' : 'match',
    compared,
    mismatches: [...mismatches.values()],
    masks: accepted,
    reordered,
    unknown: [...unknown.values()],
  };
}

/**
 * What two runs of the baseline itself answer differently, and so nobody can hold against a change.
 * Only values of one and the same type are masked: a field that comes and goes, a changing type,
 * a list of changing length, text, or an array in which nothing stays the same leaves nothing to
 * compare by. Such a request gets the mask `$`, which `compareAnswers` refuses.
 *
 * Requests whose arrays merely change order get no masks: see `learnOrderFreeRequests`.
 */
export function learnMasks(one: readonly ReplayedAnswer[], other: readonly ReplayedAnswer[]): readonly Mask[] {
  const orderFree = learnOrderFreeRequests(one, other);
  const masks = new Map<string, Mask>();
  const leaves = new Map<string, Set<string>>();
  const wholes = new Map<string, Mask>();
  for (const [before, after] of pairsOf(one, other)) {
    const { request } = before;
    const refuse = (reason: string) => wholes.set(request, { request, path: '$', reason });
    if (orderFree.has(request)) continue;
    const incomparable = whyIncomparable(before, after);
    if (incomparable !== null) refuse(incomparable);
    else {
      const known = leaves.get(request) ?? new Set<string>();
      leaves.set(request, known);
      for (const { body } of [before, after]) for (const leaf of leavesOf(parseAnswer(body) ?? null)) known.add(leaf);
      for (const { place, where, maskable } of answerDifferences(before, after)) {
        if (maskable) masks.set(placeKey(request, place), { request, path: place, reason: 'differs between two runs of the baseline' });
        else refuse(`two runs of the baseline differ at ${where} in a way that cannot be masked`);
      }
    }
  }
  for (const [request, known] of leaves) {
    const array = [...arraysOf(known)].find((path) =>
      [...known].every((leaf) => !leaf.startsWith(path) || masks.has(placeKey(request, leaf))),
    );
    if (array !== undefined)
      wholes.set(request, { request, path: '$', reason: `nothing in ${array} is the same in two runs of the baseline` });
  }
  return [...[...masks.values()].filter(({ request }) => !wholes.has(request)), ...wholes.values()];
}

/** Requests that the baseline itself answers with the same elements in another order: what orders them is chance. */
export function learnOrderFreeRequests(one: readonly ReplayedAnswer[], other: readonly ReplayedAnswer[]): ReadonlySet<string> {
  const reordered = new Set<string>();
  const changed = new Set<string>();
  for (const [before, after] of pairsOf(one, other)) {
    if (whyIncomparable(before, after) !== null) continue;
    const differences = answerDifferences(before, after);
    if (differences.length === 0) continue;
    const onlyOrder = differences.every(({ inBody }) => inBody) && sameBag(before, after, () => false);
    (onlyOrder ? reordered : changed).add(before.request);
  }
  return new Set([...reordered].filter((request) => !changed.has(request)));
}

interface AnswerDifference {
  /** What a mask of it would be called: a general JSON path, `header:name`, `status` or `body`. */
  readonly place: string;
  readonly where: string;
  readonly difference: string;
  readonly maskable: boolean;
  readonly inBody: boolean;
}

function answerDifferences(before: ReplayedAnswer, after: ReplayedAnswer): readonly AnswerDifference[] {
  if (before.status !== after.status) {
    const difference = `${before.status} → ${after.status === 0 ? `no answer (${after.error ?? 'unknown'})` : after.status}`;
    // Another status explains another body: the body would only repeat it.
    return [{ place: 'status', where: 'status', difference, maskable: false, inBody: false }];
  }
  return [...headerDifferences(before, after), ...bodyDifferences(before.body, after.body)];
}

function headerDifferences(before: ReplayedAnswer, after: ReplayedAnswer): readonly AnswerDifference[] {
  return comparedHeaders.flatMap((name) => {
    const [was, is] = [before.headers[name], after.headers[name]];
    if (was === is) return [];
    const place = `header:${name}`;
    const difference = `${was === undefined ? 'absent' : shown(name, was)} → ${is === undefined ? 'absent' : shown(name, is)}`;
    return [{ place, where: place, difference, maskable: was !== undefined && is !== undefined, inBody: false }];
  });
}

function bodyDifferences(before: string, after: string): readonly AnswerDifference[] {
  if (before === after) return [];
  const [was, is] = [parseAnswer(before), parseAnswer(after)];
  if (was === undefined || is === undefined) {
    const start = firstDifference(before, after);
    // Text is not quoted: nobody knows which of its words are secrets.
    const difference = `text differs from character ${start + 1} on (${before.length} → ${after.length} characters)`;
    return [{ place: 'body', where: 'body', difference, maskable: false, inBody: true }];
  }
  return [...differencesOf(was, is)].map((found) => ({
    place: found.generalPath,
    where: found.path,
    difference: inWords(found),
    // The root is the whole body, and a mask never covers that.
    maskable: found.kind === 'value' && found.generalPath !== '$',
    inBody: true,
  }));
}

function inWords({ path, kind, baseline, candidate }: JsonDifference): string {
  if (kind === 'missing') return 'missing on the candidate';
  if (kind === 'extra') return 'only on the candidate';
  if (kind === 'type') return `${typeOf(baseline!)} → ${typeOf(candidate!)}`;
  if (kind === 'length') return `${lengthOf(baseline)} → ${lengthOf(candidate)} elements`;
  return `${shown(path, written(baseline!))} → ${shown(path, written(candidate!))}`;
}

function lengthOf(value: AnswerJson | undefined): number {
  return Array.isArray(value) ? value.length : 0;
}

const credentialName = /token|passw|pwd|secret|authorization|credential|cookie|session|signature|key|jwt/i;
const credentialValue = /^"?(?:eyJ|bearer |basic )|(?:token|passw\w*|secret|authorization|cookie|session|signature|key)["']?\s*[=:]/i;

/** A value short enough for a report, and nothing that opens a door. */
function shown(name: string, value: string): string {
  if (credentialName.test(name) || credentialValue.test(value)) return '(hidden)';
  return value.length <= 40 ? value : `${value.slice(0, 39)}…`;
}

/** Null when both answers are there and answer the same request. */
function whyIncomparable(before: ReplayedAnswer, after: ReplayedAnswer): string | null {
  const refusal = refusedBy(after) ?? refusedBy(before);
  if (refusal !== null) return `the policy ${refusal} refused it for as long as was waited: lower \`trial.answers\`, or raise its limits`;
  if (before.request !== after.request || before.method !== after.method) return `the other replay sent ${after.request} in its place`;
  if (before.status === 0) return `the baseline gave no answer (${before.error ?? 'unknown'})`;
  return null;
}

function sameBag(before: ReplayedAnswer, after: ReplayedAnswer, isMasked: (path: string) => boolean): boolean {
  const [was, is] = [parseAnswer(before.body), parseAnswer(after.body)];
  return was !== undefined && is !== undefined && bagOf(was, isMasked) === bagOf(is, isMasked);
}

/** General paths of the outermost arrays that hold one of the leaves. */
function arraysOf(leaves: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...leaves].filter((leaf) => leaf.includes('[]')).map((leaf) => leaf.slice(0, leaf.indexOf('[]') + 2)));
}

function firstDifference(one: string, other: string): number {
  let index = 0;
  while (index < one.length && one[index] === other[index]) index += 1;
  return index;
}

function pairsOf(one: readonly ReplayedAnswer[], other: readonly ReplayedAnswer[]): readonly (readonly [ReplayedAnswer, ReplayedAnswer])[] {
  return one.slice(0, other.length).map((answer, index) => [answer, other[index]!]);
}

function placeKey(request: string, place: string): string {
  return `${request}\n${place}`;
}
