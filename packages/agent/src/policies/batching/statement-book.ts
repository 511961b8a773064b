import { templateHash, textHash } from '../../statements/batched-text.ts';
import type { BatchedStatement } from './batched-statement.ts';

/** What is known of a text, worked out once. */
export interface KnownText {
  /** Whether it is certain to change nothing: no row, no session, no transaction. */
  readonly readOnly: boolean;
  readonly batched: BatchedStatement | null;
  /** Its template, where its rows hold the parameters of a batched statement. */
  readonly feeds: string | null;
}

export const unknownText: KnownText = { readOnly: false, batched: null, feeds: null };
const mostTexts = 10_000;
/** Longer ones are bulk loads, not look-ups. */
const longestText = 16_384;

/** What Anneal has worked out about the application's statements, found by their texts. */
export class StatementBook {
  #statements: readonly BatchedStatement[] = [];
  readonly #known = new Map<string, KnownText>();

  get statements(): readonly BatchedStatement[] {
    return this.#statements;
  }

  add(statement: BatchedStatement): void {
    this.#statements = [...this.#statements, statement];
    this.#known.clear();
  }

  remove(statement: BatchedStatement): void {
    this.#statements = this.#statements.filter((other) => other !== statement);
    this.#known.clear();
  }

  of(text: string): KnownText {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (text.length > longestText) return unknownText;
    const looked = this.#lookUp(text);
    // Texts with literals never come back: the book starts again rather than grow.
    if (this.#known.size >= mostTexts) this.#known.clear();
    this.#known.set(text, looked);
    return looked;
  }

  #lookUp(text: string): KnownText {
    const hash = textHash(text);
    const template = templateHash(text);
    const statements = this.#statements;
    const batched = statements.find((statement) => statement.policy.textHash === hash) ?? null;
    return {
      readOnly: batched !== null || statements.some(({ policy, ownText }) => ownText === text || policy.readOnly.includes(template)),
      batched,
      feeds: statements.some(({ policy }) => policy.parent === template) ? template : null,
    };
  }
}
