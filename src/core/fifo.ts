/** A queue: who came first goes first. An array's own `shift` moves all that wait, each time. */

/** So many are taken before their places are given back. */
const SLICE = 1_024;

export class Fifo<Item extends object> {
  /** Taken from `#from` on; what was taken is cleared, so that it is not kept until its place is given back. */
  #items: (Item | undefined)[] = [];
  #from = 0;

  get size(): number {
    return this.#items.length - this.#from;
  }

  get first(): Item | undefined {
    return this.#items[this.#from];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  take(): Item | undefined {
    const item = this.#items[this.#from];
    if (item === undefined) return undefined;
    this.#items[this.#from++] = undefined;
    if (this.#from >= SLICE || this.#from >= this.#items.length) {
      this.#items = this.#items.slice(this.#from);
      this.#from = 0;
    }
    return item;
  }

  /** Those that wait, in order; the first `count` of them where it is given. */
  list(count = this.size): Item[] {
    return this.#items.slice(this.#from, this.#from + count).filter((item) => item !== undefined);
  }

  /** In its place; false where it does not wait, and then nothing is changed. */
  replace(item: Item, by: Item): boolean {
    const at = this.#items.indexOf(item, this.#from);
    if (at === -1) return false;
    this.#items[at] = by;
    return true;
  }
}
