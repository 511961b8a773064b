import { resultsOf, type RequestTemplate } from './fold-request.ts';
import { parentOf } from './parent.ts';
import type { OpenRequest } from './request.ts';
import type { Template } from '../statements/statements.ts';

/** Three calls of one statement in one request are the fewest that show a loop. */
export const repeatsFrom = 3;

/** Parents are looked for in that many repeating requests of a window: the answer does not change. */
const mostParentChecks = 64;

/** Which statement's rows held what the calls of a loop differ by, by as many requests as were asked. */
export class ParentVotes {
  readonly #votes = new Map<Template, number>();
  #checks = 0;

  /** `itself`: the looping statement, whose own results are no parent. */
  ask(calls: Pick<RequestTemplate, 'compared' | 'firstBegan'>, request: OpenRequest, itself: Template | null): void {
    if (this.#checks >= mostParentChecks) return;
    this.#checks += 1;
    const others = resultsOf(request).filter((result) => result.statement !== itself);
    const parent = parentOf(calls.compared, calls.firstBegan, others);
    if (parent !== null) this.#votes.set(parent, (this.#votes.get(parent) ?? 0) + 1);
  }

  /** Named only when at least half of the checks agree: one coincidence is no parent. */
  elected(): Template | null {
    for (const [template, votes] of this.#votes) if (votes * 2 >= this.#checks) return template;
    return null;
  }
}

export function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
