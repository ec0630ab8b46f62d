/**
 * A stream that has begun: its first part is read, and what the attempt took — permit, slot, deadline — is held until its end. It
 * ends once: whole, with an error, or because its consumer left, which is nobody's fault.
 */
import type { Scope } from './scope.ts';
import type { Verdict } from './verdict.ts';
import { NEUTRAL } from './verdict.ts';

export class OpenStream<T> {
  readonly scope: Scope;
  readonly iterator: AsyncIterator<T>;
  readonly first: IteratorResult<T>;
  readonly #ends: ((verdict: Verdict) => void)[] = [];
  #ended = false;

  constructor(scope: Scope, iterator: AsyncIterator<T>, first: IteratorResult<T>) {
    this.scope = scope;
    this.iterator = iterator;
    this.first = first;
  }

  onEnd(settle: (verdict: Verdict) => void): void {
    this.#ends.push(settle);
  }

  /** The first end counts. A source that is not at its own end is told to stop, and not waited for. */
  end(verdict: Verdict, exhausted: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!exhausted) {
      this.scope.cancel({ kind: 'superseded' });
      this.stop();
    }
    for (const settle of this.#ends) settle(verdict);
  }

  /** Of the source alone. Its error belongs to nobody: what counts was settled. */
  stop(): void {
    Promise.try(() => this.iterator.return?.()).catch(() => undefined);
  }

  /** For a stream that nobody will read. */
  abandon(): void {
    this.end(NEUTRAL, false);
  }
}
