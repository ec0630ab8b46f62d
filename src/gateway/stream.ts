/**
 * A streamed answer. Until the first content is there, nothing is sent and another deployment can stand in unseen; from then on the
 * stream ends whole or in an honest error. Pulling drives everything: nothing is read from the upstream beyond what was asked for.
 */
import { UpstreamFailure } from '#contract/provider';
import type { ProviderEvent } from '#contract/provider';
import type { ChatRequest } from '#contract/chat';
import type { ChatCall, ChatStream } from '#contract/gateway';
import type { CallContext } from './attempts.ts';
import { attemptUntilAnswered } from './attempts.ts';
import type { Attempt } from './attempt.ts';
import { lastResortChunks, lastResortText } from './last-resort.ts';
import type { Route, Router } from './route.ts';
import { abortError, Run } from './runs.ts';
import { StreamProgress } from './stream-progress.ts';

/** An answer that is whole is not kept waiting for `[DONE]`; where usage was asked for, it may come a little later. */
const GRACE_MS = 250;
const USAGE_GRACE_MS = 2_000;
/** Events without content that are held back before the stream is committed all the same. */
const HELD_MAX = 32;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

interface Committed {
  readonly attempt: Attempt;
  readonly events: AsyncIterator<ProviderEvent>;
  readonly progress: StreamProgress;
  readonly held: string[];
}

export async function stream(context: CallContext, router: Router, call: ChatCall): Promise<ChatStream> {
  const run = new Run(context, call, true);
  let route: Route | null = null;
  try {
    route = router.require(call.request.model);
    run.record.route = route.name;
    const committed = await attemptUntilAnswered(context, run, route, commit);
    return { summary: run.summary(committed.attempt.deployment), events: new AnswerEvents(context, run, committed) };
  } catch (thrown) {
    const text = lastResortText(route, thrown);
    if (text === undefined) throw run.fail(thrown);
    run.degrade();
    const chunks = lastResortChunks(run.record, text, wantsUsage(call.request));
    return { summary: run.summary(null, true), events: listed(chunks) };
  }
}

/** Opens the stream and reads up to its first content. */
async function commit(attempt: Attempt): Promise<Committed> {
  const { request } = attempt.run.call;
  const progress = new StreamProgress(request['n'], wantsUsage(request));
  const { events } = await attempt.upstream(attempt.deployment.provider.stream(attempt.providerCall));
  const held: string[] = [];
  for (;;) {
    const next = await attempt.upstream(events.next());
    if (next.done === true) throw new UpstreamFailure('cut', 'The upstream ended its stream before any content.');
    held.push(next.value.data);
    const content = progress.take(next.value.chunk);
    if (content || held.length >= HELD_MAX) break;
  }
  attempt.sawFirstToken();
  attempt.rest();
  return { attempt, events, progress, held };
}

/** What follows the commit point. Ends once, in one of four ways: whole, failed, left by the reader, aborted. */
class AnswerEvents implements AsyncIterableIterator<string> {
  readonly #context: CallContext;
  readonly #run: Run;
  readonly #attempt: Attempt;
  readonly #events: AsyncIterator<ProviderEvent>;
  readonly #progress: StreamProgress;
  readonly #held: string[];
  readonly #onAbort = (): void => this.#leave();
  /** Since when the reader has had the last event; null while the upstream is waited for. */
  #parkedAt: number | null;
  #ended = false;
  /** It ended with the whole answer handed out. */
  #complete = false;

  constructor(context: CallContext, run: Run, { attempt, events, progress, held }: Committed) {
    this.#context = context;
    this.#run = run;
    this.#attempt = attempt;
    this.#events = events;
    this.#progress = progress;
    this.#held = held;
    this.#parkedAt = context.clock.now();
    // A reader who never pulls again must not keep the upstream: the abort alone ends everything.
    run.call.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (run.call.signal.aborted) this.#leave();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<string, undefined>> {
    if (this.#ended) {
      this.#gone();
      return END;
    }
    this.#unpark();
    const held = this.#held.shift();
    const data = held ?? (await this.#pull());
    if (data === null) return END;
    this.#parkedAt = this.#context.clock.now();
    return { done: false, value: data };
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#leave();
    return Promise.resolve(END);
  }

  /** The next event's text; null where the answer is whole and at its end. */
  async #pull(): Promise<string | null> {
    const { whole, usageAwaited } = this.#progress;
    if (whole) this.#attempt.expect('enough', usageAwaited ? USAGE_GRACE_MS : GRACE_MS);
    else this.#attempt.expect('timeout_idle', this.#attempt.timeouts.idleMs);
    try {
      const next = await this.#attempt.upstream(this.#events.next());
      if (this.#ended) return this.#gone();
      if (next.done !== true) {
        this.#attempt.rest();
        this.#progress.take(next.value.chunk);
        return next.value.data;
      }
      if (!this.#progress.ended)
        throw new UpstreamFailure('cut', 'The upstream ended its stream without saying that the answer was finished.');
    } catch (thrown) {
      if (this.#ended) return this.#gone();
      // Every choice had finished: what went wrong afterwards took nothing from the answer.
      const harmless = whole && (this.#attempt.hadEnough(thrown) || thrown instanceof UpstreamFailure);
      if (!harmless) throw this.#fail(thrown);
      this.#close();
    }
    this.#finish();
    return null;
  }

  /** For a reader who asks after the end: the abort is an error of his, his own `return()` is none. */
  #gone(): null {
    if (this.#run.call.signal.aborted && !this.#complete) throw abortError(this.#run.call.signal);
    return null;
  }

  #unpark(): void {
    if (this.#parkedAt !== null) this.#run.waitedSince(this.#parkedAt);
    this.#parkedAt = null;
  }

  #finish(): void {
    this.#complete = true;
    this.#end();
    this.#attempt.succeed();
    this.#run.succeed(this.#attempt.deployment, this.#progress);
  }

  #fail(thrown: unknown): Error {
    this.#end();
    const classified = this.#attempt.fail(thrown);
    return this.#run.fail(classified?.error ?? thrown, this.#attempt.deployment);
  }

  /** The reader or the caller left, or the hub goes down. */
  #leave(): void {
    if (this.#ended) return;
    this.#unpark();
    // The reader took the whole answer and did not wait for its formal end: that is no cancellation.
    if (this.#progress.whole && this.#held.length === 0) {
      this.#finish();
    } else {
      this.#end();
      this.#attempt.leave();
      this.#run.cancel(this.#attempt.deployment);
    }
    this.#close();
  }

  #end(): void {
    this.#ended = true;
    this.#attempt.used(this.#progress.usage);
    this.#run.call.signal.removeEventListener('abort', this.#onAbort);
  }

  /** Destroys the exchange; what it says to that is of no interest any more, and is logged where it is unexpected. */
  #close(): void {
    this.#attempt.destroy();
    this.#events.return?.().catch((error: unknown) => {
      this.#context.logger.debug('stream-closed-late', { run: this.#run.record.id, reason: String(error) });
    });
  }
}

function wantsUsage(request: ChatRequest): boolean {
  const options = request['stream_options'];
  return (
    typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
  );
}

async function* listed(texts: readonly string[]): AsyncGenerator<string, undefined> {
  yield* texts;
  return undefined;
}
