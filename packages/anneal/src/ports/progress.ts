/** Where a long act says what it is doing. The CLI writes it to stderr; the library ignores it by default. */
export interface Progress {
  /** A stage begins: one line a person reads, e.g. "Measuring for 30 s". */
  stage(title: string): void;
  /** Inside the stage: how far, and a short detail. `share` is 0-1 or null when unknown. */
  update(share: number | null, detail?: string): void;
  /** Something worth keeping on the screen: a verdict, a warning. */
  note(message: string, level?: 'info' | 'good' | 'warning'): void;
}

export const silentProgress: Progress = { stage() {}, update() {}, note() {} };
