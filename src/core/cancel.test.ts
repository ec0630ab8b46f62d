/** Telling work to stop: what a listener may count on, beside the platform's own AbortController where the two must be alike. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Canceller } from './cancel.ts';

for (const [name, make] of [
  ['the house’s', () => new Canceller()],
  ['the platform’s', () => new AbortController()],
] as const) {
  describe(`${name} canceller`, () => {
    it('tells each listener once, in order, with the first reason', () => {
      const canceller = make();
      const { signal } = canceller;
      const heard: unknown[] = [];
      const first = (): void => void heard.push(['first', signal.reason]);
      signal.addEventListener('abort', first, { once: true });
      signal.addEventListener('abort', first, { once: true });
      signal.addEventListener('abort', () => heard.push(['second', signal.aborted]));
      canceller.abort('because');
      canceller.abort('of something else');
      assert.deepEqual(heard, [
        ['first', 'because'],
        ['second', true],
      ]);
      assert.throws(
        () => signal.throwIfAborted(),
        (thrown) => thrown === 'because',
      );
    });

    it('does not call a listener that was taken away, also by one before it, nor one that comes after', () => {
      const canceller = make();
      const { signal } = canceller;
      const never = (): void => assert.fail('called');
      const later = (): void => assert.fail('called');
      signal.addEventListener('abort', never);
      signal.removeEventListener('abort', never);
      signal.addEventListener('abort', () => signal.removeEventListener('abort', later));
      signal.addEventListener('abort', later);
      signal.throwIfAborted();
      canceller.abort('because');
      signal.addEventListener('abort', never);
      canceller.abort('again');
    });
  });
}
