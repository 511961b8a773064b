import { templatedPath } from './templated-path.ts';

/**
 * Where Express's routers are mounted. A request tells by which path it came to its router, `/acme/orders`, and not that this is
 * `/:tenant/orders`: each tenant would be a route of its own.
 */
const mounts = new Set<string>();
let patterns: readonly (readonly string[])[] = [];
let someHaveParameters = false;

/** Far more than an application mounts; one that mounts with every request is cut off here. */
const mostMounts = 1_000;

/** Clients choose paths: those that were worked out are forgotten when there are so many. */
const mostNames = 1_000;
const names = new Map<string, string>();

const segmentsOf = (path: string): readonly string[] => path.split('/').filter(Boolean);

/** The path that a router or a middleware is mounted at, as the application writes it. Patterns beyond `:name` are left out. */
export function mountedAt(path: string): void {
  if (/[*?+(){}\\]/.test(path) || segmentsOf(path).length === 0 || mounts.size >= mostMounts || mounts.has(path)) return;
  mounts.add(path);
  patterns = [...mounts].map(segmentsOf);
  someHaveParameters ||= path.includes(':');
  names.clear();
}

/** The path up to a router, by the mounts it is made of; what none of them explains is named by what it looks like. */
export function mountName(path: string): string {
  if (!someHaveParameters) return templatedPath(path);
  const known = names.get(path);
  if (known !== undefined) return known;
  if (names.size >= mostNames) names.clear();
  const name = named(segmentsOf(path));
  names.set(path, name);
  return name;
}

function named(segments: readonly string[]): string {
  let name = '';
  for (let at = 0; at < segments.length;) {
    const pattern = bestAt(segments, at);
    name += pattern === null ? templatedPath(`/${segments[at]!}`) : `/${pattern.join('/')}`;
    at += pattern?.length ?? 1;
  }
  return name;
}

/** The mount that says most of what comes next: words before parameters, and more of them before fewer. */
function bestAt(segments: readonly string[], at: number): readonly string[] | null {
  let best: readonly string[] | null = null;
  let mostWords = -1;
  for (const pattern of patterns) {
    const words = wordsIn(pattern, segments, at);
    if (words > mostWords || (words === mostWords && best !== null && pattern.length > best.length)) {
      best = pattern;
      mostWords = words;
    }
  }
  return best;
}

/** How many words of the pattern stand there; -1 where it does not match. Express compares without regard to case. */
function wordsIn(pattern: readonly string[], segments: readonly string[], at: number): number {
  let words = 0;
  for (const [index, part] of pattern.entries()) {
    const segment = segments[at + index];
    if (segment === undefined) return -1;
    if (part.startsWith(':')) continue;
    if (part.toLowerCase() !== segment.toLowerCase()) return -1;
    words += 1;
  }
  return words;
}
