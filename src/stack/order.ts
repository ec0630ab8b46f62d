/** In which order what belongs together is ended: the reverse of its start. */
import type { Clock } from '#core/clock';
import type { Part } from './part.ts';

export type Ordered = Pick<Part, 'name' | 'needs' | 'holdsMs'>;

/** Each after those that need it, or once they have held it for their time; resolves when all have ended. */
export async function endInOrder<One extends Ordered>(
  all: readonly One[],
  clock: Clock,
  end: (one: One) => Promise<void>,
): Promise<void> {
  const begun = new Map<One, Promise<void>>();
  const begin = (one: One): Promise<void> => {
    let ended = begun.get(one);
    if (ended === undefined) {
      const dependents = all.filter(({ needs }) => needs.includes(one.name));
      ended = Promise.all(
        dependents.map((each) =>
          each.holdsMs === undefined ? begin(each) : endsWithin(clock, begin(each), each.holdsMs),
        ),
      ).then(() => end(one));
      begun.set(one, ended);
    }
    return ended;
  };
  await Promise.all(all.map(begin));
}

/** Whether it resolves in so many milliseconds. */
export async function endsWithin(clock: Clock, ended: Promise<unknown>, waitMs: number): Promise<boolean> {
  const over = new AbortController();
  const late = clock.sleep(waitMs, over.signal).then(
    () => false,
    () => true,
  );
  try {
    return await Promise.race([ended.then(() => true), late]);
  } finally {
    over.abort();
  }
}
