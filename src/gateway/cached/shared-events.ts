/** One caller's view of a live answer: ends his run where it is his own to end, and tells when he needs no more of it. */
import type { ChatCall, RunSpent } from '#contract/gateway';
import { abortError } from '#contract/gateway';
import type { Run } from '../runs.ts';
import { wantsUsage } from '../stream-progress.ts';
import type { LiveAnswer, LiveReader } from './live-answer.ts';

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

export class SharedEvents implements AsyncIterableIterator<string> {
  readonly #call: ChatCall;
  readonly #live: LiveAnswer;
  readonly #reader: LiveReader;
  /** Null for the caller whose run it is that asks. */
  readonly #run: Run | null;
  readonly #done: (whole: boolean) => void;
  readonly #onAbort = (): void => void this.return();
  #ended = false;
  #complete = false;

  constructor(call: ChatCall, live: LiveAnswer, run: Run | null, done: (whole: boolean) => void) {
    this.#call = call;
    this.#live = live;
    this.#reader = live.reader(wantsUsage(call.request));
    this.#run = run;
    this.#done = done;
    run?.beginWait();
    call.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (call.signal.aborted) this.#onAbort();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<string, undefined>> {
    try {
      const step = await this.#reader.next();
      if (step.done !== true) return step;
    } catch (thrown) {
      const error = this.#run?.fail(thrown) ?? thrown;
      this.#end();
      throw error;
    }
    if (!this.#ended) {
      this.#complete = true;
      this.#follow(this.#run);
      this.#end();
    }
    if (!this.#complete && this.#call.signal.aborted) throw abortError(this.#call.signal);
    return END;
  }

  /** The reader leaves; the answer goes on for the others. */
  return(): Promise<IteratorReturnResult<undefined>> {
    if (!this.#ended) {
      this.#run?.cancel();
      this.#end();
    }
    return this.#reader.return();
  }

  /** Who follows pays nothing. */
  spent(): RunSpent {
    return this.#run === null ? this.#live.spent() : { ...this.#live.spent(), costMicroUsd: 0 };
  }

  /** Who follows ends as the run did that asks. */
  #follow(run: Run | null): void {
    if (run === null) return;
    const { summary } = this.#live;
    const answer = { ...summary, ...this.#live.facts() };
    if (summary.insteadOf === undefined) run.succeedWith(answer);
    else run.standIn(answer, summary.insteadOf);
  }

  #end(): void {
    this.#ended = true;
    this.#call.signal.removeEventListener('abort', this.#onAbort);
    this.#done(this.#complete);
  }
}
