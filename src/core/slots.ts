/**
 * What comes and goes by the thousand a second. A Set would do, but V8 moves a Set to a new table every so many additions, and a table that
 * has grown old keeps what was in it, and its successor, until the next full collection: everything that ever passed through is
 * then carried along by the collector as if it were still needed. Here a place is cleared when it is left.
 */
export class Slots<Item> {
  readonly #items: (Item | null)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#items.length - this.#free.length;
  }

  /** The item's place, to leave by. */
  add(item: Item): number {
    const place = this.#free.pop() ?? this.#items.length;
    this.#items[place] = item;
    return place;
  }

  /** Once, by whoever was given the place. */
  leave(place: number): void {
    this.#items[place] = null;
    this.#free.push(place);
  }

  /** In no order. What comes or goes meanwhile may be among them. */
  *[Symbol.iterator](): Generator<Item> {
    for (const item of this.#items) if (item !== null) yield item;
  }
}
