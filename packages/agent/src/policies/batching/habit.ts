/** Enough for a share of four fifths not to be one lucky start. */
const fewestOccasions = 8;
const goodShare = 0.8;
/** Older occasions count less and less, so that a changed application is believed. */
const longestMemory = 64;

/** How often, once something began, it went on: whether it may be counted upon at the beginning already. */
export class Habit {
  #begun = 0;
  #wentOn = 0;

  begun(): void {
    if (this.#begun >= longestMemory) {
      this.#begun /= 2;
      this.#wentOn /= 2;
    }
    this.#begun += 1;
  }

  wentOn(): void {
    this.#wentOn += 1;
  }

  get isStrong(): boolean {
    return this.#begun >= fewestOccasions && this.#wentOn >= goodShare * this.#begun;
  }
}
