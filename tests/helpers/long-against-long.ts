/** Whether something takes much longer for one text than for another of the same length: the least of several times each, in turn. */
const TIMES = 5;

/** How many times as long. */
export function timesAsLong(one: () => void, other: () => void): number {
  let [least, leastOther] = [Infinity, Infinity];
  for (let time = 0; time < TIMES; time++) {
    least = Math.min(least, tookMs(one));
    leastOther = Math.min(leastOther, tookMs(other));
  }
  return least / leastOther;
}

function tookMs(run: () => void): number {
  const since = performance.now();
  run();
  return performance.now() - since;
}
