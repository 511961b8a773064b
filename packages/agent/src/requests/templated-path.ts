/**
 * A route's name where no framework gives one: the path with every segment that looks like data
 * (numbers, UUIDs, long tokens with digits in them) replaced by `:id`.
 */
export function templatedPath(url: string): string {
  const path = pathOf(url);
  if (!/[\d%]|[^/]{24}/.test(path)) return path;
  return path
    .split('/')
    .map((segment) => (isData(segment) ? ':id' : segment))
    .join('/');
}

export function pathOf(url: string): string {
  const start = url.startsWith('/') ? 0 : Math.max(url.indexOf('/', url.indexOf('://') + 3), 0);
  const end = url.slice(start).search(/[?#]/);
  const path = end === -1 ? url.slice(start) : url.slice(start, start + end);
  return path === '' ? '/' : path;
}

const uuid = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i;

function isData(segment: string): boolean {
  return (
    /^\d+$/.test(segment) ||
    uuid.test(segment) ||
    /^[\da-f]{16,}$/i.test(segment) ||
    // Identifiers of every kind (ULID, nanoid, JWT): long, unbroken by words, with digits among the letters.
    (segment.length >= 16 && /\d/.test(segment) && /^[\w.~-]+$/.test(segment) && /\d.*\d/.test(segment)) ||
    segment.includes('%')
  );
}
