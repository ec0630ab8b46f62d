/** How exact a limit was, from when each call was decided, on one clock. */

export interface Exactness {
  readonly admitted: number;
  readonly refused: number;
  /** The most that any interval of the window's length admitted. */
  readonly most: number;
  /** The fewest that were in when one was refused: what demand was left unmet. Infinity where none was refused. */
  readonly fewestAtRefusal: number;
}

export function exactness(
  decisions: readonly (readonly [atMs: number, granted: boolean])[],
  windowMs: number,
): Exactness {
  const ordered = decisions.toSorted(
    ([one, oneIn], [other, otherIn]) => one - other || Number(otherIn) - Number(oneIn),
  );
  const inside: number[] = [];
  let [admitted, refused, most, fewestAtRefusal] = [0, 0, 0, Number.POSITIVE_INFINITY];
  for (const [atMs, granted] of ordered) {
    while (inside.length > 0 && (inside[0] ?? 0) <= atMs - windowMs) inside.shift();
    if (granted) {
      admitted++;
      inside.push(atMs);
      most = Math.max(most, inside.length);
    } else {
      refused++;
      fewestAtRefusal = Math.min(fewestAtRefusal, inside.length);
    }
  }
  return { admitted, refused, most, fewestAtRefusal };
}
