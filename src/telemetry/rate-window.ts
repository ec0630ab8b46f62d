/** How often something happened in the last minute: one count a second, sixty of them. */
const SLOTS = 60;

export class RateWindow {
  readonly #counts = new Float64Array(SLOTS);
  readonly #seconds = new Float64Array(SLOTS).fill(-1);

  add(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    const index = second % SLOTS;
    if (this.#seconds[index] !== second) {
      this.#seconds[index] = second;
      this.#counts[index] = 0;
    }
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
  }

  sum(nowMs: number): number {
    const oldest = Math.floor(nowMs / 1000) - SLOTS;
    return this.#counts.reduce((sum, count, index) => ((this.#seconds[index] ?? -1) > oldest ? sum + count : sum), 0);
  }
}
