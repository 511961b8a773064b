/** Seeded randomness: everything Anneal shuffles or draws can be drawn again from the seed in the report. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Whole number in [min, max]. */
  integer(min: number, max: number): number;
  /** A new array in random order. */
  shuffle<T>(items: readonly T[]): T[];
  /** An independent stream, the same for the same label. */
  fork(label: string): Random;
}

/** sfc32 (Chris Doty-Humphrey's Small Fast Counter), seeded through a 32-bit FNV-1a hash of the label. */
export function seededRandom(seed: number, label = ''): Random {
  let a = 0x9e3779b9;
  let b = seed >>> 0;
  let c = fnv1a(`${seed}:${label}`);
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < 16; round += 1) next();
  return {
    next,
    integer: (min, max) => min + Math.floor(next() * (max - min + 1)),
    shuffle(items) {
      const shuffled = [...items];
      for (let last = shuffled.length - 1; last > 0; last -= 1) {
        const other = Math.floor(next() * (last + 1));
        [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
      }
      return shuffled;
    },
    fork: (child) => seededRandom(seed, `${label}/${child}`),
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
