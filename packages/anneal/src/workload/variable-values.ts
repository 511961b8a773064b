import type { Random } from '../stats/random.ts';
import type { Variable } from './workload.ts';

/**
 * Draws one value. `sequenceNumber` is what a `sequence` shows: it depends on the run's seed and the
 * iteration alone, so that both arms of a trial see the same values and no value comes twice.
 */
export function drawValue(variable: Variable, random: Random, sequenceNumber: number): string | number {
  switch (variable.type) {
    case 'integer':
      return variable.distribution === 'zipf'
        ? variable.min + zipfRank(variable.max - variable.min + 1, random) - 1
        : random.integer(variable.min, variable.max);
    case 'one-of':
      return variable.values[random.integer(0, variable.values.length - 1)]!;
    case 'text':
      return Array.from({ length: variable.words }, () => words[random.integer(0, words.length - 1)]!).join(' ');
    case 'sequence':
      return variable.template.replaceAll('{n}', String(sequenceNumber));
    default:
      return variable satisfies never;
  }
}

/**
 * A rank in [1, count] with probability proportional to 1/rank, in constant time and memory, by
 * rejection-inversion: Hörmann and Derflinger, "Rejection-inversion to generate variates from
 * monotone discrete distributions", ACM TOMACS 6(3), 1996, with exponent 1, for which the integral of
 * the density is the logarithm.
 */
export function zipfRank(count: number, random: Random): number {
  const first = Math.log(1.5) - 1;
  const last = Math.log(count + 0.5);
  const acceptedWithoutLook = 2 - Math.exp(Math.log(2.5) - 0.5);
  for (;;) {
    const area = last + random.next() * (first - last);
    const x = Math.exp(area);
    const rank = Math.min(Math.max(Math.round(x), 1), count);
    if (rank - x <= acceptedWithoutLook || area >= Math.log(rank + 0.5) - 1 / rank) return rank;
  }
}

/** Plain words of different lengths: enough for bodies and searches that look like text and compress like it. */
const words = (
  'about after all also an and any are as at back because but by can come could day do even first for from get give go good ' +
  'great hand have her him how if in into it just know last leave life like little long look make man many may more most much ' +
  'must name never new no not now number of off old on one only or other our out over own part people place point right same ' +
  'say see seem she should show small so some state still such take tell than that the their them then there these they thing ' +
  'think this time to two under up use very want water way we well what when which while who will with word work world would year you'
).split(' ');
