/** Work on many things, a few at a time. */

/** One promise an item, in their order. None that is left unread counts as unhandled. */
export function pooled<Item, Result>(
  items: readonly Item[],
  atOnceMax: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result>[] {
  const waiting = items.map((item) => ({ item, ...Promise.withResolvers<Result>() }));
  const results = waiting.map(({ promise }) => promise);
  void Promise.allSettled(results);
  const queue = waiting.values();
  const next = (): void => {
    const { value: one, done } = queue.next();
    if (done === true) return;
    work(one.item).then(one.resolve, one.reject).finally(next);
  };
  for (let place = 0; place < atOnceMax; place++) next();
  return results;
}
