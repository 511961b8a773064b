const mostKinds = 100;

/** What the agent dropped or broke on, as sentences; each is told once per summary, with how often it happened. */
export class Problems {
  readonly #times = new Map<string, number>();

  note(sentence: string): void {
    const times = this.#times.get(sentence);
    if (times !== undefined) this.#times.set(sentence, times + 1);
    else if (this.#times.size < mostKinds) this.#times.set(sentence, 1);
  }

  take(): readonly string[] {
    const sentences = [...this.#times].map(([sentence, times]) => (times === 1 ? sentence : `${sentence} (${times} times)`));
    this.#times.clear();
    return sentences;
  }
}
