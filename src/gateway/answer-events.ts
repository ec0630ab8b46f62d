/**
 * The events of a stream from its commit point on. Pulling drives everything: nothing is read from the upstream beyond what was asked
 * for. Ends once: whole, failed, left by the reader or aborted; a cut in between is gone on from where the caller wants that.
 */
import { HubError } from '#core/errors';
import type { ChatRequest } from '#contract/chat';
import { abortError } from '#contract/gateway';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderEvent } from '#contract/provider';
import type { Attempt } from './attempt.ts';
import type { Attempts, CallContext } from './attempts.ts';
import { SaidSoFar } from './continuation.ts';
import type { Run } from './runs.ts';
import { StreamProgress } from './stream-progress.ts';

/** An answer that is whole is not kept waiting for `[DONE]`; where usage was asked for, it may come a little later. */
const GRACE_MS = 250;
const USAGE_GRACE_MS = 2_000;
/** Events without content that are held back before the stream is committed all the same. */
const HELD_MAX = 32;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

export interface Committed {
  readonly attempt: Attempt;
  readonly events: AsyncIterator<ProviderEvent>;
  readonly progress: StreamProgress;
  readonly held: readonly ProviderEvent[];
}

/** Opens the stream and reads up to its first content. `progress`: of the answer that is gone on with, or a new one. */
export async function commit(attempt: Attempt, request: ChatRequest, progress: StreamProgress): Promise<Committed> {
  if (attempt.recorded !== undefined) await attempt.recorded;
  const { events } = await attempt.upstream(attempt.deployment.provider.stream(attempt.providerCall(request)));
  const held: ProviderEvent[] = [];
  for (;;) {
    const next = await attempt.upstream(events.next());
    if (next.done === true) throw new UpstreamFailure('cut', 'The upstream ended its stream before any content.');
    if (next.value.hidden !== true) held.push(next.value);
    attempt.used(next.value.chunk.usage);
    const content = progress.take(next.value.chunk);
    if (content || held.length >= HELD_MAX) break;
  }
  attempt.sawFirstToken();
  attempt.rest();
  return { attempt, events, progress, held };
}

export interface AnswerParts {
  readonly context: CallContext;
  readonly attempts: Attempts;
  readonly request: ChatRequest;
  readonly committed: Committed;
  /** Whether another deployment goes on after a cut. */
  readonly continued: boolean;
  /** Whether it may begin anew where it cannot go on from the text so far. */
  readonly restarts: boolean;
}

export class AnswerEvents implements AsyncIterableIterator<string> {
  readonly #context: CallContext;
  readonly #attempts: Attempts;
  readonly #request: ChatRequest;
  readonly #run: Run;
  /** Kept where a cut is gone on from. */
  readonly #said: SaidSoFar | null;
  #attempt: Attempt;
  #events: AsyncIterator<ProviderEvent>;
  #progress: StreamProgress;
  /** Read from the upstream and not yet handed out. */
  readonly #ready: string[] = [];
  readonly #onAbort = (): void => this.#leave();
  /** The reader has the last event, and has not asked for the next. */
  #parked = false;
  #ended = false;
  /** It ended with the whole answer handed out. */
  #complete = false;

  constructor({ context, attempts, request, committed, continued, restarts }: AnswerParts) {
    this.#context = context;
    this.#attempts = attempts;
    this.#request = request;
    this.#run = attempts.run;
    this.#said = continued ? new SaidSoFar(restarts) : null;
    this.#attempt = committed.attempt;
    this.#events = committed.events;
    this.#progress = committed.progress;
    this.#keep(committed.held);
    this.#park();
    // A reader who never pulls again must not keep the upstream: the abort alone ends everything.
    const { signal } = this.#run.call;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    if (signal.aborted) this.#leave();
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
    const data = this.#ready.shift() ?? (await this.#pull());
    if (data === null) return END;
    this.#park();
    return { done: false, value: data };
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#leave();
    return Promise.resolve(END);
  }

  /** The next event's text; null where the answer is whole and at its end. */
  async #pull(): Promise<string | null> {
    for (;;) {
      const { whole, usageAwaited } = this.#progress;
      if (whole) this.#attempt.expect('enough', usageAwaited ? USAGE_GRACE_MS : GRACE_MS);
      else this.#attempt.expect('timeout_idle', this.#attempt.timeouts.idleMs);
      try {
        const next = await this.#attempt.upstream(this.#events.next());
        if (this.#ended) return this.#gone();
        if (next.done !== true) {
          this.#attempt.rest();
          this.#attempt.used(next.value.chunk.usage);
          this.#progress.take(next.value.chunk);
          // Never by a call of itself in here: a failure after such an event would be caught as one of a stream that has ended.
          if (next.value.hidden === true) continue;
          return this.#taken(next.value);
        }
        if (!this.#progress.ended)
          throw new UpstreamFailure(
            'cut',
            'The upstream ended its stream without saying that the answer was finished.',
          );
      } catch (thrown) {
        if (this.#ended) return this.#gone();
        // Every choice had finished: what went wrong afterwards took nothing from the answer.
        const harmless = whole && (this.#attempt.hadEnough(thrown) || thrown instanceof UpstreamFailure);
        if (!harmless) return this.#goOn(thrown);
        this.#close(this.#attempt, this.#events);
      }
      this.#finish();
      return null;
    }
  }

  /** After a cut: the next event, from another attempt; or the honest end. */
  async #goOn(thrown: unknown): Promise<string | null> {
    const said = this.#said;
    const classified = this.#attempt.fail(thrown);
    if (said === null || classified === null || classified.verdict === 'give_up')
      throw this.#fail(classified?.error ?? thrown);
    this.#attempts.failed(this.#attempt, classified);
    let committed: Committed;
    try {
      committed = await this.#attempts.answer((attempt) => this.#resume(attempt, said), 'on');
    } catch (other) {
      if (this.#ended) return this.#gone();
      // What the caller has is a stream that was cut: why others could not go on with it is in the run.
      throw this.#fail(other instanceof HubError ? classified.error : other);
    }
    if (this.#ended) {
      committed.attempt.leave();
      this.#close(committed.attempt, committed.events);
      return this.#gone();
    }
    this.#attempt = committed.attempt;
    this.#events = committed.events;
    this.#progress = committed.progress;
    if (said.goesOn(committed.attempt.prefilled)) this.#ready.push(said.restartEvent(classified.error.code));
    this.#keep(committed.held);
    return this.#ready.shift() ?? this.#pull();
  }

  #resume(attempt: Attempt, said: SaidSoFar): Promise<Committed> {
    const { request, prefilled } = said.requestFor(attempt.deployment, this.#request);
    attempt.prefilled = prefilled;
    return commit(attempt, request, prefilled ? this.#progress : StreamProgress.of(request));
  }

  #keep(events: readonly ProviderEvent[]): void {
    for (const event of events) this.#ready.push(this.#taken(event));
  }

  #taken(event: ProviderEvent): string {
    return this.#said === null ? event.data : this.#said.take(event);
  }

  /** For a reader who asks after the end: the abort is an error of his, his own `return()` is none. */
  #gone(): null {
    if (this.#run.call.signal.aborted && !this.#complete) throw abortError(this.#run.call.signal);
    return null;
  }

  #park(): void {
    this.#parked = true;
    this.#run.beginWait();
  }

  #unpark(): void {
    if (this.#parked) this.#run.endWait();
    this.#parked = false;
  }

  #finish(): void {
    this.#complete = true;
    this.#end();
    this.#attempt.succeed();
    this.#run.succeed(this.#attempt.deployment, this.#progress);
  }

  #fail(thrown: unknown): HubError {
    this.#end();
    return this.#run.fail(thrown, this.#attempt.deployment);
  }

  /** The reader or the caller left, or the hub goes down. */
  #leave(): void {
    if (this.#ended) return;
    this.#unpark();
    // The reader took the whole answer and did not wait for its formal end: that is no cancellation.
    if (this.#progress.whole && this.#ready.length === 0) {
      this.#finish();
    } else {
      this.#end();
      this.#attempt.leave();
      this.#run.cancel(this.#attempt.deployment);
    }
    this.#close(this.#attempt, this.#events);
  }

  #end(): void {
    this.#ended = true;
    this.#run.call.signal.removeEventListener('abort', this.#onAbort);
  }

  /** Destroys the exchange; what it says to that is of no interest any more, and is logged where it is unexpected. */
  #close(attempt: Attempt, events: AsyncIterator<ProviderEvent>): void {
    attempt.destroy();
    events.return?.().catch((error: unknown) => {
      this.#context.logger.debug('stream-closed-late', { run: this.#run.record.id, reason: String(error) });
    });
  }
}
