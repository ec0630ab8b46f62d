/**
 * The calls of a built pipeline: `tryExecute` for those who look at outcomes, `execute` for those who catch, `stream` for answers
 * that come in parts. Each call listens to its caller's signal once and stops listening at its end.
 */
import type { Clock, Timer } from '#core/clock';
import type { Attempt, Stage } from './attempt.ts';
import { OpenStream } from './open-stream.ts';
import { errorOf } from './outcome.ts';
import type { Outcome, Refusal } from './outcome.ts';
import { Scope } from './scope.ts';
import type { CallContext, Operation } from './scope.ts';
import { TimerQueue } from './timer-queue.ts';
import { FAILURE, NEUTRAL, SUCCESS } from './verdict.ts';
import type { Verdict } from './verdict.ts';

export interface CallOptions {
  /** The caller's own; its abort is nobody's fault, and changes no breaker. */
  readonly signal?: AbortSignal | undefined;
  /** What the caller has left in milliseconds, where that is less than the pipeline's deadline. */
  readonly deadlineMs?: number | undefined;
}

export interface StreamOptions extends CallOptions {
  /** Longest wait for the next part in milliseconds, after the first. Default: none but the deadline. */
  readonly idleMs?: number;
}

export interface PipelineParts<F> {
  readonly clock: Clock;
  readonly stage: Stage;
  /** The attempt itself, where the breaker is all there is. */
  readonly free: Attempt | undefined;
  readonly deadline: TimerQueue | undefined;
  /** Whether a limit on time may end a call. */
  readonly endsEarly: boolean;
  readonly fallback: ((refusal: Refusal) => F | PromiseLike<F>) | undefined;
  readonly degraded: (refusal: Refusal) => void;
  readonly judgeError: (error: unknown) => Verdict;
}

/** `F`: what the fallback answers with. */
export class Pipeline<F> {
  readonly #parts: PipelineParts<F>;
  readonly #free: Attempt | undefined;
  /** Where nothing but the stages looks at a call. */
  readonly #unbounded: boolean;

  constructor(parts: PipelineParts<F>) {
    this.#parts = parts;
    this.#free = parts.free;
    this.#unbounded = parts.fallback === undefined && parts.deadline === undefined;
  }

  /** Calls, and tells how it ended. Never rejects. */
  tryExecute<T>(operation: Operation<T>, options?: CallOptions): Promise<Outcome<T | F>> {
    if (options !== undefined) return this.#bounded(operation, options);
    if (this.#free !== undefined) return this.#free.runFree(operation);
    if (!this.#unbounded) return this.#bounded(operation, {});
    const { clock, stage, endsEarly } = this.#parts;
    return stage.run<T>(new Scope(clock, endsEarly), operation);
  }

  /** Calls; throws what `errorOf` makes of any outcome but `ok`. */
  execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T | F> {
    if (options === undefined && this.#free !== undefined) return this.#free.throwFree(operation);
    return this.#thrown(operation, options);
  }

  async #thrown<T>(operation: Operation<T>, options: CallOptions | undefined): Promise<T | F> {
    const outcome = await this.tryExecute(operation, options);
    if (outcome.kind === 'ok') return outcome.value;
    throw errorOf(outcome);
  }

  /**
   * Yields what `source` yields. Until the first part everything of the pipeline applies, retries and hedges included; after it,
   * the deadline, the breaker and the slot hold until the end, and an error is the stream's end. The fallback does not apply: what
   * to say instead is for the consumer, who knows what was said.
   */
  async *stream<T>(source: (context: CallContext) => AsyncIterable<T>, options: StreamOptions = {}): AsyncGenerator<T> {
    const { clock, endsEarly, judgeError } = this.#parts;
    const scope = new Scope(clock, endsEarly || options.signal !== undefined);
    const release = this.#bind(scope, options);
    let stream: OpenStream<T> | undefined;
    try {
      const opened =
        scope.ended ?? (await this.#parts.stage.run<OpenStream<T>>(scope, (context) => open(source, context)));
      if (opened.kind !== 'ok') throw errorOf(opened);
      stream = opened.value;
      yield* this.#rest(stream, options.idleMs);
      stream.end(SUCCESS, true);
    } catch (error) {
      stream?.end(endedBy(stream) ?? judgeError(error), false);
      throw error;
    } finally {
      // Reached without an end only when the consumer left.
      stream?.abandon();
      release();
    }
  }

  async *#rest<T>(stream: OpenStream<T>, idleMs: number | undefined): AsyncGenerator<T> {
    const { clock, judgeError } = this.#parts;
    const { scope, iterator } = stream;
    const idle = idleMs === undefined ? undefined : new TimerQueue(clock, idleMs);
    if (idle !== undefined) scope.cancellable = true;
    let part = stream.first;
    try {
      while (part.done !== true) {
        yield part.value;
        const timer = idle?.add(() => scope.cancel({ kind: 'idle', limitMs: idle.limitMs }));
        const next = await scope.run(() => iterator.next(), judgeError);
        timer?.cancel();
        if (next.kind !== 'ok') throw errorOf(next);
        part = next.value;
      }
    } finally {
      // Armed as it is, it would stay for as long as a part may take.
      idle?.close();
    }
  }

  async #bounded<T>(operation: Operation<T>, options: CallOptions): Promise<Outcome<T | F>> {
    const { clock, stage, endsEarly, fallback, degraded } = this.#parts;
    const scope = new Scope(clock, endsEarly);
    const release = this.#bind(scope, options);
    try {
      const outcome = scope.ended ?? (await stage.run(scope, operation));
      if (outcome.kind === 'ok' || outcome.kind === 'cancelled' || fallback === undefined) return outcome;
      degraded(outcome);
      return { kind: 'ok', value: await fallback(outcome), degraded: true };
    } catch (error) {
      // Only the fallback can throw here; nothing is left to fall back to.
      return { kind: 'failed', error, verdict: NEUTRAL };
    } finally {
      release();
    }
  }

  /** Ties the scope to its caller and its deadline. The function that comes back unties it. */
  #bind(scope: Scope, { signal, deadlineMs }: CallOptions): () => void {
    const { clock, deadline } = this.#parts;
    let timer: Timer | undefined;
    let ownTimer: Timer | undefined;
    const onAbort = (): void => scope.cancel({ kind: 'caller', reason: signal?.reason });
    if (deadline !== undefined) {
      scope.deadlineAt = clock.now() + deadline.limitMs;
      timer = deadline.add(() => scope.cancel({ kind: 'deadline', limitMs: deadline.limitMs }));
    }
    if (deadlineMs !== undefined && (deadline === undefined || deadlineMs < deadline.limitMs)) {
      scope.cancellable = true;
      scope.deadlineAt = clock.now() + deadlineMs;
      const end = (): void => scope.cancel({ kind: 'deadline', limitMs: deadlineMs });
      if (deadlineMs <= 0) end();
      else ownTimer = clock.schedule(deadlineMs, end);
    }
    if (signal !== undefined) {
      scope.cancellable = true;
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort);
    }
    return () => {
      timer?.cancel();
      ownTimer?.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
  }
}

async function open<T>(
  source: (context: CallContext) => AsyncIterable<T>,
  context: CallContext,
): Promise<OpenStream<T>> {
  // Every context is a scope; operations are shown less of it.
  const scope = context as Scope;
  const { attempt } = scope;
  const iterator = source(context)[Symbol.asyncIterator]();
  const stream = new OpenStream(scope, iterator, await iterator.next());
  // Deaf to its signal, it opened when nobody waited for it any more, or for another: a repeat goes on in the same scope.
  if (scope.attempt !== attempt) stream.stop();
  else if (scope.ended !== undefined) stream.abandon();
  return stream;
}

/** The verdict on a stream that its scope ended: our limits are the upstream's failure, the caller's abort is not. */
function endedBy({ scope }: OpenStream<unknown>): Verdict | undefined {
  const ended = scope.ended;
  return ended === undefined ? undefined : ended.kind === 'timeout' ? FAILURE : NEUTRAL;
}
