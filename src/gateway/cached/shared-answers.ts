/**
 * The use cases of the gateway behind the cache. One call of an upstream serves all who ask the same at the same time and, while it is
 * fresh, all who ask later; the run that asks is the first caller's and outlives him while others wait. Each of the others has a run of
 * his own, at no cost. What failed, was cut or stands in for an answer is never kept.
 */
import { Canceller } from '#core/cancel';
import type { AnswerCache, MakeContext } from '#contract/answer-cache';
import { shared } from '#contract/answer-cache';
import type { ChatCompletion, EmbeddingList } from '#contract/chat';
import type {
  ChatAnswer,
  ChatCall,
  ChatStream,
  EmbedAnswer,
  EmbedCall,
  RunCall,
  RunSummary,
  WholeAnswer,
} from '#contract/gateway';
import type { CallContext } from '../attempts.ts';
import { complete } from '../complete.ts';
import { embed } from '../embed.ts';
import { isFields } from '../heard.ts';
import type { Router } from '../route.ts';
import type { AnswerFacts } from '../runs.ts';
import type { Routes } from '../settings.ts';
import { stream } from '../stream.ts';
import type { Cached } from './follower.ts';
import { Follower, toldError } from './follower.ts';
import type { Ended, Kept, Stale } from './kept.ts';
import { Failed, keptOf, StandIn } from './kept.ts';
import { LiveAnswer } from './live-answer.ts';
import type { Caching } from './policy.ts';
import { cachingOf, Names, tagsOf } from './policy.ts';
import { SharedEvents } from './shared-events.ts';

/** Asks the upstreams. `stale`: what may stand in for them. */
type Ask<Call, Answer> = (call: Call, stale: Stale | undefined) => Promise<Answer>;

export class SharedAnswers {
  readonly #context: CallContext;
  readonly #router: Router;
  readonly #cache: AnswerCache;
  /** Whether any route is cached unless its caller says otherwise; without one, calls that wish nothing are looked at no further. */
  readonly #byRoute: boolean;
  readonly #names = new Names();

  constructor(context: CallContext, router: Router, routes: Routes, cache: AnswerCache) {
    this.#byRoute = Object.values(routes).some((route) => route.cache !== undefined);
    this.#context = context;
    this.#router = router;
    this.#cache = cache;
  }

  complete(call: ChatCall): Promise<ChatAnswer> {
    const ask: Ask<ChatCall, ChatAnswer> = (inner, stale) => complete(this.#context, this.#router, inner, stale);
    const cached = this.#cached('chat', call);
    return cached === null ? ask(call, undefined) : this.#whole(cached, ask, factsOf);
  }

  embed(call: EmbedCall): Promise<EmbedAnswer> {
    const ask: Ask<EmbedCall, EmbedAnswer> = (inner, stale) => embed(this.#context, this.#router, inner, stale);
    const cached = this.#cached('embedding', call);
    const facts = ({ usage }: EmbeddingList): AnswerFacts => ({ finishReason: null, usage });
    return cached === null ? ask(call, undefined) : this.#whole(cached, ask, facts);
  }

  async stream(call: ChatCall): Promise<ChatStream> {
    const ask: Ask<ChatCall, ChatStream> = (inner, stale) => stream(this.#context, this.#router, inner, stale);
    const cached = this.#cached('chat', call);
    if (cached === null) return ask(call, undefined);
    const follower = new Follower(this.#context, this.#cache, cached);
    const kept = await follower.held();
    if (kept !== undefined) return follower.replay(kept);

    let led = false;
    const reading = new Canceller();
    const leave = (): void => reading.abort(call.signal.reason);
    const opened = Promise.withResolvers<LiveAnswer>();
    const make = (context: MakeContext): Promise<Ended> => {
      led = true;
      return this.#askStream(cached, ask, context);
    };
    const onProgress = (progress: unknown): void => {
      follower.shares = true;
      if (progress instanceof LiveAnswer) opened.resolve(progress);
    };
    const tags = tagsOf(call, cached.route);
    const options = { ...cached.caching, tags, signal: reading.signal, onProgress };
    const whole = shared(this.#cache, cached.caching, make, options);
    // Whoever reads the live answer hears of its end from it.
    whole.catch(() => undefined);
    call.signal.addEventListener('abort', leave, { once: true });
    if (call.signal.aborted) leave();
    try {
      const first = await Promise.race([opened.promise, whole]);
      if (first instanceof LiveAnswer) {
        const run = led ? null : follower.follow(first.summary);
        const events = new SharedEvents(call, first, run, (hasAll) => {
          call.signal.removeEventListener('abort', leave);
          // Who has the whole still waits, so to say, for it to be kept.
          if (!hasAll) reading.abort(new Error('its reader has left'));
        });
        return { summary: follower.summaryOf(run, first.summary), events, spent: () => events.spent() };
      }
      call.signal.removeEventListener('abort', leave);
      if (first === tooLarge) return await ask(call, undefined);
      if (first instanceof Failed) throw first.thrown;
      return follower.replay(first);
    } catch (thrown) {
      call.signal.removeEventListener('abort', leave);
      throw led ? toldError(thrown, call) : follower.fail(thrown);
    }
  }

  async #whole<Call extends RunCall, Body>(
    cached: Cached<Call>,
    ask: Ask<Call, WholeAnswer<Body>>,
    facts: (body: Body) => AnswerFacts,
  ): Promise<WholeAnswer<Body>> {
    const { call, caching } = cached;
    const follower = new Follower(this.#context, this.#cache, cached);
    const kept = await follower.held();
    if (kept !== undefined) return follower.answer(kept);
    let led = false;
    let own: WholeAnswer<Body> | undefined;
    const make = async (context: MakeContext): Promise<Ended> => {
      led = true;
      try {
        own = await ask({ ...call, signal: context.signal }, this.#staleOf(context, caching));
        const { raw, body, summary } = own;
        const text =
          raw === undefined ? JSON.stringify(body) : typeof raw === 'string' ? raw : Buffer.from(raw).toString();
        return endedOf(context, keptOf(text, summary, facts(body)), own.summary, body);
      } catch (thrown) {
        context.skip();
        return new Failed(thrown);
      }
    };
    try {
      const onProgress = (): void => {
        follower.shares = true;
      };
      const options = { ...caching, tags: tagsOf(call, cached.route), signal: call.signal, onProgress };
      const ended = await shared<Ended>(this.#cache, caching, make, options);
      if (ended === tooLarge) return await ask(call, undefined);
      if (ended instanceof Failed) throw ended.thrown;
      if (!led) return follower.answer(ended);
    } catch (thrown) {
      throw led ? toldError(thrown, call) : follower.fail(thrown);
    }
    if (own === undefined) throw new Error('a call was led that has no answer');
    return { summary: follower.summaryOf(null, own.summary), body: own.body, raw: own.raw };
  }

  /** The first caller's stream, read to its end whoever still reads. */
  async #askStream(
    { call, caching }: Cached<ChatCall>,
    ask: Ask<ChatCall, ChatStream>,
    context: MakeContext,
  ): Promise<Ended> {
    try {
      // May begin anew whoever asks: others may read it too, and the whole of it is kept for the next.
      const { restarts: _asker, ...forAll } = call;
      const asked = await ask({ ...forAll, signal: context.signal }, this.#staleOf(context, caching));
      const live = new LiveAnswer(asked);
      context.progress(live);
      const failure = await live.pump();
      if (failure !== null) throw failure.thrown;
      const completion = live.completion();
      if (completion !== null) {
        const kept = keptOf(JSON.stringify(completion), asked.summary, factsOf(completion));
        return endedOf(context, kept, asked.summary, completion);
      }
      context.skip();
      return tooLarge;
    } catch (thrown) {
      context.skip();
      return new Failed(thrown);
    }
  }

  #cached<Call extends RunCall>(kind: 'chat' | 'embedding', call: Call): Cached<Call> | null {
    if (!this.#byRoute && call.preferences?.cache?.use !== true) return null;
    const route = this.#router.find(call.request.model);
    if (route === null) return null;
    const caching = cachingOf(kind, call, route, this.#context.settings.cache, this.#names);
    return caching === null ? null : { call, route, caching };
  }

  #staleOf({ stale }: MakeContext, { key, name, ttlMs }: Caching): Stale | undefined {
    if (stale === undefined) return undefined;
    const { value, ageMs } = stale;
    const left = this.#cache.life(key)?.ttlMs ?? ttlMs - ageMs;
    return { kept: value as Kept, cache: { status: 'stale', key: name, ageMs, ttlMs: left } };
  }
}

/** A live answer that nobody can be given a second time. */
const tooLarge = new Failed(new Error('the answer is too large to be put together'));

function factsOf({ choices, usage }: ChatCompletion): AnswerFacts {
  return { finishReason: choices[0]?.finish_reason ?? null, usage };
}

/**
 * Every choice says why it ended: one that does not may be half of an answer, however well its stream ended. So is one that ended in an
 * error, as OpenRouter has them in a 200; of another hub it is the last resort. Vectors have no choices.
 */
function isFinished(body: unknown): boolean {
  const choices = isFields(body) ? body['choices'] : undefined;
  if (!Array.isArray(choices)) return true;
  return choices.every((choice: unknown) => {
    const reason = isFields(choice) ? choice['finish_reason'] : undefined;
    return typeof reason === 'string' && reason !== '' && reason !== 'error';
  });
}

/**
 * What stands in for an answer, passed a guardrail that was out of order, or is not finished, is given to those who wait, and not kept.
 */
function endedOf(context: MakeContext, kept: Kept, { insteadOf, unjudged, cache }: RunSummary, body: unknown): Ended {
  if (insteadOf === undefined && unjudged !== true && isFinished(body)) return kept;
  context.skip();
  if (insteadOf === undefined) return kept;
  return new StandIn(kept, cache?.status === 'stale' ? 'stale' : 'last-resort', insteadOf);
}
