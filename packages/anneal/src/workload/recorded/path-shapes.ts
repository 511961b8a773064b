/** Where one position of a path has more values than a router has hand-written siblings, they are data. */
const mostSiblings = 20;

const uuid = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i;
const isoDate = /^\d{4}-\d{2}(?:-\d{2})?$/;

/** A path's segments; null marks one that is data. */
export type PathShape = readonly (string | null)[];

/**
 * The shapes of paths: segments that look like identifiers, and positions with more than twenty
 * different values below the same beginning, are data. Equal shapes are one route. Paths are without a
 * query, segments still encoded; gives the shape of each path.
 */
export function pathShapes(paths: Iterable<string>): ReadonlyMap<string, PathShape> {
  const distinct = [...new Set(paths)];
  const root = new Node();
  for (const path of distinct) root.add(segmentsOf(path));
  root.merge();
  return new Map(distinct.map((path) => [path, root.shapeOf(segmentsOf(path))]));
}

function segmentsOf(path: string): readonly string[] {
  return path.split('/').slice(1);
}

class Node {
  readonly #literal = new Map<string, Node>();
  #data: Node | null = null;

  add(segments: readonly string[]): void {
    const [segment, ...rest] = segments;
    if (segment === undefined) return;
    if (looksLikeData(segment)) (this.#data ??= new Node()).add(rest);
    else {
      const child = this.#literal.get(segment) ?? new Node();
      this.#literal.set(segment, child);
      child.add(rest);
    }
  }

  merge(): void {
    if (this.#literal.size > mostSiblings) {
      this.#data ??= new Node();
      for (const child of this.#literal.values()) this.#data.#take(child);
      this.#literal.clear();
    }
    for (const child of this.#literal.values()) child.merge();
    this.#data?.merge();
  }

  shapeOf(segments: readonly string[]): PathShape {
    const [segment, ...rest] = segments;
    if (segment === undefined) return [];
    const literal = this.#literal.get(segment);
    return literal === undefined ? [null, ...(this.#data?.shapeOf(rest) ?? [])] : [segment, ...literal.shapeOf(rest)];
  }

  #take(other: Node): void {
    for (const [segment, child] of other.#literal) {
      const known = this.#literal.get(segment);
      if (known === undefined) this.#literal.set(segment, child);
      else known.#take(child);
    }
    if (other.#data !== null) (this.#data ??= new Node()).#take(other.#data);
  }
}

function looksLikeData(segment: string): boolean {
  return (
    /^-?\d+$/.test(segment) ||
    uuid.test(segment) ||
    isoDate.test(segment) ||
    /^[\da-f]{16,}$/i.test(segment) ||
    (segment.length >= 16 && /\d.*\d/.test(segment) && /^[\w.~-]+$/.test(segment)) ||
    segment.includes('%') ||
    segment.includes('@')
  );
}
