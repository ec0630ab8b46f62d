/**
 * A run from its first byte to its last: what happened to it, how long the hub itself took, and the bounded map of those that are
 * under way. The record holds no prompt and no answer; the transcript does, where the route keeps them. Hub time is the total minus the waits for upstreams (their answers, and the pauses
 * before a retry) and for a reader who takes his time.
 */
import { roundMs } from '#core/clock';
import type { Clock } from '#core/clock';
import type { ErrorCode } from '#core/errors';
import { HubError, InvariantError } from '#core/errors';
import { Slots } from '#core/slots';
import type { ContentRecord } from '#contract/content';
import type { RunCall, RunSpent, RunSummary } from '#contract/gateway';
import { abortError } from '#contract/gateway';
import type { Ledger } from '#contract/ledger';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import type { GuardrailRecord, RunRecord, RunStatus } from '#contract/runs';
import type { RunTrace, Tracing } from '#contract/tracing';
import type { Deployment } from './deployment.ts';
import { spentIn } from './limited.ts';
import type { Prices } from './prices.ts';
import type { RouteSettings } from './settings.ts';
import { Transcript } from './transcript.ts';

/** Runs under way in this process. One for all gateways of a process, so that a reload forgets none. */
export class RunningRuns {
  /** By id there would be an entry made and unmade for every run; one is looked for once in a while. */
  readonly #runs = new Slots<RunRecord>();

  /** The place to leave by; bounded as the requests in flight are. */
  add(record: RunRecord): number {
    return this.#runs.add(record);
  }

  leave(place: number): void {
    this.#runs.leave(place);
  }

  get(id: string): RunRecord | undefined {
    for (const record of this.#runs) if (record.id === id) return record;
    return undefined;
  }

  /** In no order. */
  list(): RunRecord[] {
    return [...this.#runs];
  }
}

export interface RunContext {
  readonly clock: Clock;
  readonly observer: Observer;
  readonly logger: Logger;
  /** Left out where no trace is exported. */
  readonly tracing?: Tracing | undefined;
  readonly running: RunningRuns;
  readonly ledger: Ledger;
  readonly prices: Prices;
  /** Takes the record of a run that has ended; must not throw, must not wait. */
  readonly runSink: (run: RunRecord) => void;
  /** Takes what was said in such a run, where its route keeps that; as `runSink`. */
  readonly contentSink: (content: ContentRecord) => void;
}

export interface AnswerFacts {
  readonly finishReason: string | null;
  readonly usage: { readonly prompt_tokens?: unknown; readonly completion_tokens?: unknown } | null | undefined;
}

/** An answer that another run asked for. */
export interface ForeignAnswer extends AnswerFacts {
  readonly provider: string | null;
  readonly model: string | null;
}

export class Run {
  readonly call: RunCall;
  readonly record: RunRecord;
  /** Attempts that went out; those a breaker or bulkhead held back are in the record only. */
  dispatched = 0;
  /** Where the route keeps what is said. */
  transcript: Transcript | null = null;
  /** Where its trace is exported. */
  readonly trace: RunTrace | undefined;
  readonly #context: RunContext;
  #waitedMs = 0;
  #waits = 0;
  #waitingSince = 0;
  #ended = false;
  readonly #place: number;

  constructor(context: RunContext, call: RunCall, stream: boolean) {
    const { clock, running } = context;
    this.#context = context;
    this.call = call;
    this.record = {
      id: call.runId,
      projectId: call.caller.projectId,
      keyId: call.caller.keyId,
      surface: call.surface,
      stream,
      requestedModel: call.request.model,
      route: null,
      status: 'running',
      errorCode: null,
      provider: null,
      model: null,
      finishReason: null,
      promptTokens: null,
      completionTokens: null,
      startedWallMs: Math.round(clock.wallMs() - (clock.now() - call.receivedAt)),
      durationMs: null,
      overheadMs: null,
      attempts: [],
    };
    this.trace = context.tracing?.run(call.traceparent, 'messages' in call.request ? 'chat' : 'embeddings');
    this.#place = running.add(this.record);
  }

  /** The route that the model name met. */
  met(name: string, { content = 'off' }: RouteSettings): void {
    this.record.route = name;
    if (content === 'off') return;
    this.record.content = content;
    this.transcript = new Transcript(content);
  }

  /** Milliseconds since the run began. */
  elapsedMs(): number {
    return this.#context.clock.now() - this.call.receivedAt;
  }

  /** From now on, until as many `endWait`, time is not the hub's. Waits may lie beside each other: what two wait for counts once. */
  beginWait(): void {
    if (this.#waits++ === 0) this.#waitingSince = this.#context.clock.now();
  }

  endWait(): void {
    if (--this.#waits === 0) this.#waitedMs += this.#context.clock.now() - this.#waitingSince;
  }

  /** What it looks like now; for a stream, at the commit point. `insteadOf`: the failure that something stands in for. */
  summary(deployment: Deployment | null, insteadOf?: ErrorCode): RunSummary {
    return {
      runId: this.record.id,
      provider: deployment?.provider.name ?? null,
      model: deployment?.model ?? null,
      attempts: this.dispatched,
      overheadMs: this.#overheadMs(this.elapsedMs()),
      degraded: insteadOf !== undefined,
      simulated: deployment?.provider.kind === 'simulator',
      ...(insteadOf !== undefined && { insteadOf }),
      ...(this.record.guardrail?.some(({ action }) => action === 'failed_open') && { unjudged: true }),
    };
  }

  /** As `ChatStream.spent`. */
  spent(): RunSpent {
    const { promptTokens, completionTokens, attempts } = this.record;
    const unknown = attempts.some(
      ({ outcome, firstTokenMs, costMicroUsd }) =>
        costMicroUsd === null && (outcome === 'succeeded' || firstTokenMs !== null),
    );
    const known = attempts.reduce((sum, { costMicroUsd }) => sum + (costMicroUsd ?? 0), 0);
    return { promptTokens, completionTokens, costMicroUsd: unknown ? null : known };
  }

  succeed(deployment: Deployment, answer: AnswerFacts): void {
    const { record } = this;
    record.provider = deployment.provider.name;
    record.model = deployment.model;
    this.#finish(answer);
    this.#end('succeeded', null);
  }

  #finish({ finishReason, usage }: AnswerFacts): void {
    this.record.finishReason = finishReason;
    this.record.promptTokens = tokens(usage?.prompt_tokens);
    this.record.completionTokens = tokens(usage?.completion_tokens);
  }

  /** Its answer is not of its own attempts; it costs nothing. */
  answered(by: 'hit' | 'shared' | 'stale', runId: string): void {
    this.record.answered = { by, runId };
  }

  /** For what another run asked for: time that is not the hub's. */
  waited(ms: number): void {
    this.#waitedMs += ms;
  }

  /** The end of an answer that is not of its own attempts. */
  succeedWith(answer: ForeignAnswer): void {
    this.#take(answer);
    this.#end('succeeded', null);
  }

  /** The end with what stands in for an answer: one that was kept and is past its time, or the last resort of another run. */
  standIn(answer: ForeignAnswer, errorCode: ErrorCode): void {
    this.#take(answer);
    this.#end('degraded', errorCode);
  }

  #take(answer: ForeignAnswer): void {
    this.record.provider = answer.provider;
    this.record.model = answer.model;
    this.#finish(answer);
  }

  guarded(entry: GuardrailRecord): void {
    (this.record.guardrail ??= []).push(entry);
  }

  /** The end with the route's last resort, in place of this failure. */
  degrade(errorCode: ErrorCode): void {
    this.record.finishReason = 'error';
    this.#end('degraded', errorCode);
  }

  /** Its reader left before the end, or its signal aborted. */
  cancel(deployment: Deployment | null = null): void {
    if (deployment !== null) {
      this.record.provider = deployment.provider.name;
      this.record.model = deployment.model;
    }
    this.#end('cancelled', this.call.signal.aborted ? abortError(this.call.signal).code : 'cancelled');
  }

  /** Ends the run with what was thrown; returns the error that the caller is to see. `deployment`: the one that had begun to answer. */
  fail(thrown: unknown, deployment: Deployment | null = null): HubError {
    const error = this.#hubError(thrown);
    if (this.#ended) return error;
    if (deployment !== null) {
      this.record.provider = deployment.provider.name;
      this.record.model = deployment.model;
    }
    this.#end(this.call.signal.aborted ? 'cancelled' : 'failed', error.code);
    return error;
  }

  #hubError(thrown: unknown): HubError {
    if (this.call.signal.aborted) return abortError(this.call.signal);
    if (thrown instanceof HubError) return thrown;
    const error = new InvariantError(
      'a call failed with something that is neither an upstream failure nor a hub error',
      { cause: thrown },
    );
    this.#context.logger.error('run-failed', { run: this.record.id }, thrown);
    return error;
  }

  #end(status: RunStatus, errorCode: string | null): void {
    if (this.#ended) return;
    this.#ended = true;
    const { record } = this;
    record.status = status;
    record.errorCode = errorCode;
    const durationMs = this.elapsedMs();
    record.durationMs = roundMs(durationMs);
    record.overheadMs = roundMs(this.#overheadMs(durationMs));
    this.#context.running.leave(this.#place);
    this.#context.observer.runFinished(record);
    this.trace?.finished(record);
    const { admission } = this.call;
    admission?.settle(spentIn(record, admission.estimate));
    this.#context.runSink(record);
    // What no upstream was given is nobody's to keep.
    const content = this.dispatched === 0 ? null : (this.transcript?.record(record) ?? null);
    if (content !== null) this.#context.contentSink(content);
  }

  #overheadMs(elapsedMs: number): number {
    const waitingMs = this.#waits > 0 ? this.#context.clock.now() - this.#waitingSince : 0;
    return Math.max(0, elapsedMs - this.#waitedMs - waitingMs);
  }
}

/** An upstream's figure is stored only where it is one. */
function tokens(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
