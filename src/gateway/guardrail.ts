/**
 * The guardrail of a route around one run: before the first attempt, and after the answer. Owns its deadline, what a broken one means
 * (open or closed, as the route declares) and the record of what it did. A route without one never comes here.
 */
import { roundMs } from '#core/clock';
import type { Clock } from '#core/clock';
import { CallerError, messageOf, UnavailableError } from '#core/errors';
import { redact } from '#core/redact';
import type { ChatCompletion, ChatRequest } from '#contract/chat';
import type { Guardrail, GuardrailContext, GuardrailVerdict } from '#contract/guardrail';
import type { Logger } from '#contract/logger';
import type { GuardrailRecord } from '#contract/runs';
import type { Run } from './runs.ts';
import type { GuardrailSettings } from './settings.ts';

const REASON_CHARS_MAX = 500;

export interface GuardedRoute {
  readonly name: string;
  readonly settings: { readonly guardrail?: GuardrailSettings | undefined };
}

/** By the path that the route names. */
export type Guardrails = ReadonlyMap<string, Guardrail>;

export interface GuardParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly guardrails: Guardrails;
}

export class Guard {
  readonly #parts: GuardParts;
  readonly #run: Run;
  readonly #route: string;
  readonly #settings: GuardrailSettings;
  readonly #guardrail: Guardrail;

  private constructor(parts: GuardParts, run: Run, route: string, settings: GuardrailSettings, guardrail: Guardrail) {
    this.#parts = parts;
    this.#run = run;
    this.#route = route;
    this.#settings = settings;
    this.#guardrail = guardrail;
  }

  /** Null where the route has none. */
  static of(parts: GuardParts, run: Run, { name, settings: { guardrail: settings } }: GuardedRoute): Guard | null {
    if (settings === undefined) return null;
    const guardrail = parts.guardrails.get(settings.module);
    // Loaded before the gateway is built; one that is not must not let everything pass.
    if (guardrail === undefined)
      throw new UnavailableError('guardrail_failed', 'The guardrail of this route is not loaded.', {
        internal: settings.module,
      });
    return new Guard(parts, run, name, settings, guardrail);
  }

  /** Whether answers are judged, so that nothing of one may be sent before it is whole. */
  get judgesAnswers(): boolean {
    return this.#guardrail.after !== undefined;
  }

  /** The request to go on with. Throws `guardrail_refused`, or `guardrail_failed` where the route fails closed. */
  before(request: ChatRequest): Promise<ChatRequest> {
    const { before } = this.#guardrail;
    if (before === undefined) return Promise.resolve(request);
    return this.#judge('before', request, isRequest, before);
  }

  /** The answer to give. Throws as `before` does. */
  after(answer: ChatCompletion): Promise<ChatCompletion> {
    const { after } = this.#guardrail;
    if (after === undefined) return Promise.resolve(answer);
    return this.#judge('after', answer, isCompletion, after);
  }

  async #judge<T>(
    stage: GuardrailRecord['stage'],
    value: T,
    fits: (value: unknown) => value is T,
    ask: (copy: T, context: GuardrailContext) => GuardrailVerdict<T> | Promise<GuardrailVerdict<T>>,
  ): Promise<T> {
    const { clock } = this.#parts;
    const startedAt = clock.now();
    const record = (action: GuardrailRecord['action']): void =>
      this.#run.guarded({ stage, action, tookMs: roundMs(clock.now() - startedAt) });
    let verdict: GuardrailVerdict<T>;
    try {
      verdict = checked(await this.#withinTime((context) => ask(structuredClone(value), context)), fits);
    } catch (thrown) {
      if (this.#run.call.signal.aborted) throw thrown;
      return this.#failed(stage, thrown, value, record);
    }
    if (verdict.action === 'refuse') {
      record('refused');
      const reason = verdict.reason.slice(0, REASON_CHARS_MAX);
      throw new CallerError('guardrail_refused', `The guardrail of the route "${this.#route}" refused this: ${reason}`);
    }
    record(verdict.action === 'change' ? 'changed' : 'allowed');
    return verdict.action === 'change' ? verdict.value : value;
  }

  #failed<T>(
    stage: GuardrailRecord['stage'],
    thrown: unknown,
    value: T,
    record: (action: GuardrailRecord['action']) => void,
  ): T {
    const open = this.#settings.onFailure === 'open';
    record(open ? 'failed_open' : 'failed_closed');
    this.#parts.logger.warn('guardrail-failed', {
      run: this.#run.record.id,
      route: this.#route,
      stage,
      went: open ? 'on' : 'no further',
      // What a guardrail throws may quote what it was given.
      reason: thrown instanceof Late || thrown instanceof Nonsense ? messageOf(thrown) : 'it threw',
    });
    if (open) return value;
    throw new UnavailableError(
      'guardrail_failed',
      `The guardrail of the route "${this.#route}" could not judge this, and without it nothing is let through.`,
      { cause: thrown },
    );
  }

  /** Asks with a deadline. What the guardrail does after it is of no interest any more. */
  async #withinTime<T>(ask: (context: GuardrailContext) => T | Promise<T>): Promise<T> {
    const { call, record } = this.#run;
    const controller = new AbortController();
    const over = Promise.withResolvers<never>();
    const end = (reason: unknown): void => {
      controller.abort(reason);
      over.reject(reason);
    };
    const onGone = (): void => end(call.signal.reason);
    const timer = this.#parts.clock.schedule(this.#settings.timeoutMs, () => end(new Late(this.#settings.timeoutMs)));
    call.signal.addEventListener('abort', onGone, { once: true });
    if (call.signal.aborted) onGone();
    const { id: runId, projectId, keyId } = record;
    try {
      const asked = (async () =>
        ask({ runId, route: this.#route, projectId, keyId, signal: controller.signal, redact }))();
      return await Promise.race([asked, over.promise]);
    } finally {
      timer.cancel();
      call.signal.removeEventListener('abort', onGone);
    }
  }
}

class Late extends Error {
  constructor(timeoutMs: number) {
    super(`it did not answer within ${timeoutMs} ms`);
  }
}

class Nonsense extends Error {}

function checked<T>(verdict: unknown, fits: (value: unknown) => value is T): GuardrailVerdict<T> {
  const { action, value, reason }: Record<string, unknown> = isRecord(verdict) ? verdict : {};
  if (action === 'allow') return { action };
  if (action === 'refuse' && typeof reason === 'string') return { action, reason };
  if (action === 'change' && fits(value)) return { action, value };
  throw new Nonsense(
    'it returned no verdict: {action: "allow"}, {action: "change", value} or {action: "refuse", reason}',
  );
}

function isRequest(value: unknown): value is ChatRequest {
  return (
    isRecord(value) &&
    typeof value['model'] === 'string' &&
    Array.isArray(value['messages']) &&
    value['messages'].length > 0 &&
    value['messages'].every((message) => isRecord(message) && typeof message['role'] === 'string')
  );
}

function isCompletion(value: unknown): value is ChatCompletion {
  return (
    isRecord(value) &&
    Array.isArray(value['choices']) &&
    value['choices'].length > 0 &&
    value['choices'].every((choice) => isRecord(choice) && isRecord(choice['message']))
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
