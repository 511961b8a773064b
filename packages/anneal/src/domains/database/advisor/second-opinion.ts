import type { OtherSettings } from './advisor.ts';
import { spellingOf } from './candidate-pool.ts';
import { answerTo, openQuestion, type QuestionInput } from './question.ts';
import type { SearchAnswer, SearchLimits } from './search.ts';

/** A second opinion only has to rank: the search's first answers do. */
const mostPlans = 2_000;

/** Where a page read at random is priced like a seek of a rotating disk, 4 times a page in sequence (the default). */
const seekRatio = 4;

/**
 * The answer as it would be with pages at the price of solid-state storage. The default `random_page_cost` of 4 stands for a rotating disk
 * with nine of ten pages cached; for storage with a low cost of random reads the manual proposes 1.1 ("Planner Cost Constants").
 * A snapshot cannot see the disk, so the advisor answers for both. Nothing where the server's setting is not doubtful, or the
 * engine cannot plan under other settings.
 */
export async function secondOpinion(
  input: QuestionInput,
  chosen: SearchAnswer,
  limits: SearchLimits,
): Promise<{ readonly answers: readonly OtherSettings[]; readonly plans: number }> {
  const price = (name: string, usual: number) => Number(input.snapshot.settings[name] ?? usual);
  const isDoubtful = price('random_page_cost', 4) / price('seq_page_cost', 1) >= seekRatio;
  if (!isDoubtful || input.planner.engine !== 'shadow' || limits.signal.aborted) return { answers: [], plans: 0 };
  const settings = { random_page_cost: '1.1' };
  const question = await openQuestion({ ...input, settings });
  const { answer } = await answerTo(question, { ...limits, plans: Math.min(limits.plans, mostPlans) });
  const spellings = ({ indexes }: SearchAnswer) => new Set(indexes.map(({ definition }) => spellingOf(definition)));
  const missingIn = (set: ReadonlySet<string>, { indexes }: SearchAnswer) =>
    indexes.map(({ definition }) => definition).filter((definition) => !set.has(spellingOf(definition)));
  return {
    plans: question.costs.plans(),
    answers: [
      {
        settings,
        reason:
          'random_page_cost is 4, the price of a seek on a rotating disk; if the storage is solid-state, set it to 1.1 first and take this set',
        costBefore: answer.baseCost,
        costAfter: answer.cost,
        added: missingIn(spellings(chosen), answer),
        removed: missingIn(spellings(answer), chosen),
      },
    ],
  };
}
