import { type Attribute, alignmentBytes, isShort, type Width } from './value-widths.ts';

/** IndexTupleData: the row's place (6 bytes) and the tuple's length with its flags (2). */
const headerBytes = 8;
/** With a bitmap of 32 NULL flags behind it, aligned (IndexAttributeBitMapData). */
const headerWithNullsBytes = 16;

/** MAXALIGN on every 64-bit machine. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/**
 * Sizes of the tuples of an index, aligned as they lie in a page and without their line pointer. Attributes follow each other,
 * each at its alignment; a NULL takes no room but makes the header larger. NULLs of different columns are taken as independent.
 */
export function tupleSizes(attributes: readonly Attribute[]): readonly Width[] {
  let states = new Map<string, State>([['0|false', { bytes: 0, hasNull: false, share: 1 }]]);
  for (const { nullShare, widths, alignment, isVariable } of attributes) {
    const next = new Map<string, State>();
    const add = (bytes: number, hasNull: boolean, share: number) => {
      const key = `${bytes}|${hasNull}`;
      next.set(key, { bytes, hasNull, share: (next.get(key)?.share ?? 0) + share });
    };
    for (const { bytes, hasNull, share } of states.values()) {
      if (nullShare > 0) add(bytes, true, share * nullShare);
      if (nullShare >= 1) continue;
      for (const width of widths) {
        const boundary = isVariable && isShort(width.bytes) ? 1 : alignmentBytes[alignment];
        add(Math.ceil(bytes / boundary) * boundary + width.bytes, hasNull, share * (1 - nullShare) * width.share);
      }
    }
    states = next;
  }
  const sizes = new Map<number, number>();
  for (const { bytes, hasNull, share } of states.values()) {
    const size = aligned((hasNull ? headerWithNullsBytes : headerBytes) + bytes);
    sizes.set(size, (sizes.get(size) ?? 0) + share);
  }
  return [...sizes].map(([bytes, share]) => ({ bytes, share }));
}

interface State {
  readonly bytes: number;
  readonly hasNull: boolean;
  readonly share: number;
}

export function meanBytes(widths: readonly Width[]): number {
  return widths.reduce((sum, { bytes, share }) => sum + bytes * share, 0);
}
