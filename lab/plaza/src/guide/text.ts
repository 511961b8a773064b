import { capitalised, words } from '../seed-vocabulary.ts';

/** A sentence that is the same for the same number. */
export function sentence(number: number, length = 9): string {
  const chosen = Array.from(
    { length },
    (_, position) => words[(number * 31 + position * position * 7 + number * position) % words.length]!,
  );
  return `${capitalised(chosen.join(' '))}.`;
}

export function paragraph(number: number, sentences = 12): string {
  return Array.from({ length: sentences }, (_, index) => sentence(number * 17 + index)).join(' ');
}
