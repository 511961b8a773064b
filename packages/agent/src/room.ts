/** What is left of a bound that many share. */
export class Room {
  #left: number;

  constructor(left: number) {
    this.#left = left;
  }

  take(size: number): boolean {
    if (size > this.#left) return false;
    this.#left -= size;
    return true;
  }

  giveBack(size: number): void {
    this.#left += size;
  }
}
