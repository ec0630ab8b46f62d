/**
 * The loop of one turn: ask the model, run the tools it calls, ask again, until it answers, the caller has to execute a tool, or a limit of
 * the agent's is reached. Knows no conversation: what it is told it has, and what comes of it is read from it.
 */
import { roundMs } from '#core/clock';
import { Canceller } from '#core/cancel';
import type { CancelSignal } from '#core/cancel';
import { newId } from '#core/ids';
import { HubError, InvariantError, UnavailableError, UpstreamError } from '#core/errors';
import { limits } from '#core/limits';
import { TooSlowError, within } from '#core/within';
import type { AgentCall, AgentEvent, AgentRecord, MemoryUse, ToolUse, TurnEnd, TurnResult } from '#contract/agents';
import type { ChatMessage } from '#contract/chat';
import type { Gateway, RunSummary } from '#contract/gateway';
import { abortError } from '#contract/gateway';
import type { TurnTrace } from '#contract/tracing';
import { isRecord } from './arguments.ts';
import type { MemoryPlace } from './memory-tool.ts';
import { toolMessage } from './messages.ts';
import { pooled } from './pooled.ts';
import { runStep } from './step.ts';
import type { StepEnd, StepEvent } from './step.ts';
import { Toolbox } from './tools.ts';
import type { ToolCall, ToolParts, ToolResult } from './tools.ts';

export interface TurnParts extends ToolParts {
  readonly gateway: Gateway;
}

/** Where the turn stands. */
interface TurnPlace {
  /** Where its memory is. */
  readonly place: MemoryPlace | null;
  readonly trace: TurnTrace | undefined;
}

export type LoopEvent = StepEvent | Extract<AgentEvent, { readonly type: 'step' | 'tool' }>;

type Step = StepEnd | 'deadline';

/** Of the turn's deadline, what a call outside of its steps may take. */
const ASKING_SHARE = 0.5;

export class Turn {
  readonly signal: CancelSignal;
  /** What came of it so far, as it may be told to a model again. */
  readonly output: ChatMessage[] = [];
  readonly tools: ToolUse[] = [];
  readonly runIds: string[] = [];
  memory: MemoryUse = 'none';
  /** How it ended; null while it runs, and where it came to no end. */
  ended: TurnEnd | null = null;
  readonly #parts: TurnParts;
  readonly #agent: AgentRecord;
  readonly #call: AgentCall;
  readonly #controller = new Canceller();
  readonly #traceparent: string | undefined;
  readonly #late: HubError;
  readonly #stopped: () => void;
  readonly #toolbox: Toolbox;
  #text = '';
  #toolCalls: readonly Readonly<Record<string, unknown>>[] = [];
  #summary: RunSummary | null = null;
  #simulated = false;
  #promptTokens: number | null = 0;
  #completionTokens: number | null = 0;
  #costMicroUsd = 0;
  #costKnown = true;

  /** Its deadline runs from here on, until `close`. Throws as `Toolbox` does. */
  constructor(parts: TurnParts, agent: AgentRecord, call: AgentCall, { place, trace }: TurnPlace) {
    const { deadlineMs } = agent.limits;
    this.#parts = parts;
    this.#agent = agent;
    this.#call = call;
    this.#traceparent = trace?.traceparent ?? call.traceparent;
    this.signal = this.#controller.signal;
    this.#toolbox = new Toolbox(parts, {
      agent,
      place,
      callerTools: call.tools ?? [],
      traceparent: call.traceparent,
      trace,
      caller: call.caller,
      memoryUsed: (use) => {
        if (this.memory !== 'unavailable') this.memory = use;
      },
    });
    this.#late = new UpstreamError('upstream_timeout', `The agent's deadline of ${deadlineMs} ms for one turn passed.`);
    const timer = parts.clock.schedule(deadlineMs, () => this.abort(this.#late));
    const onAbort = (): void => this.abort(call.signal.reason);
    call.signal.addEventListener('abort', onAbort, { once: true });
    if (call.signal.aborted) onAbort();
    this.#stopped = () => {
      timer.cancel();
      call.signal.removeEventListener('abort', onAbort);
    };
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  close(): void {
    this.#stopped();
  }

  /**
   * A call of the model on behalf of the turn, outside of its steps; what it costs counts. Throws as the gateway does, and `TooSlowError`
   * where it takes more than its share of the deadline: the answer needs the rest.
   */
  async ask(messages: ChatMessage[]): Promise<string> {
    const { clock } = this.#parts;
    const limitMs = this.#agent.limits.deadlineMs * ASKING_SHARE;
    try {
      return await within({ clock, limitMs, signal: this.signal }, (signal) => this.#askFor(messages, signal));
    } catch (thrown) {
      if (thrown instanceof TooSlowError) this.#spendUnknown();
      throw thrown;
    }
  }

  async #askFor(messages: ChatMessage[], signal: CancelSignal): Promise<string> {
    let text = '';
    for await (const event of this.#ask(newId('run', this.#parts.clock.wallMs()), { messages }, signal)) {
      if (event.type !== 'answered') continue;
      this.#spend(event.step);
      if (event.step.summary.degraded)
        throw new UnavailableError('no_deployment_available', 'No model answered: there is the last resort only.');
      text = event.step.text;
    }
    return text;
  }

  /** `told`: what the model is told first. Throws a `HubError` where the turn cannot come to an end. */
  async *run(told: readonly ChatMessage[]): AsyncGenerator<LoopEvent, TurnEnd> {
    for (let number = 1; ; number++) {
      const step = yield* this.#step(number, [...told, ...this.output]);
      if (step === 'deadline') return step;
      const { calls, message, finish, summary } = step;
      const callers = calls.filter(({ name }) => this.#toolbox.isCallers(name));
      if (callers.length > 0) {
        this.#waitForCaller(message, callers);
        return 'tool_calls';
      }
      if (calls.length === 0) {
        if (step.text !== '') this.output.push(message);
        return summary.degraded ? 'degraded' : endOf(finish);
      }
      this.output.push(message);
      const limit = this.#limit(number);
      if (limit !== null) {
        for (const { id } of calls) this.output.push(toolMessage(id, 'It was not run: the turn was at its limit.'));
        return limit;
      }
      if (yield* this.#runTools(calls)) return 'deadline';
    }
  }

  result(end: TurnEnd): TurnResult {
    this.ended = end;
    return {
      end,
      text: this.#text,
      toolCalls: this.#toolCalls,
      tools: this.tools,
      runIds: this.runIds,
      provider: this.#summary?.provider ?? null,
      model: this.#summary?.model ?? null,
      promptTokens: this.#promptTokens,
      completionTokens: this.#completionTokens,
      costMicroUsd: this.#costKnown ? this.#costMicroUsd : null,
      memory: this.memory,
      simulated: this.#simulated,
    };
  }

  /** What was thrown, as the caller is to be told. */
  errorFor(thrown: unknown): unknown {
    return this.signal.aborted && !(thrown instanceof HubError) ? abortError(this.signal) : thrown;
  }

  async *#step(number: number, messages: ChatMessage[]): AsyncGenerator<LoopEvent, Step> {
    const runId = (number === 1 ? this.#call.runId : undefined) ?? newId('run', this.#parts.clock.wallMs());
    this.#text = '';
    yield { type: 'step', number, runId };
    try {
      for await (const event of this.#ask(runId, { ...this.#fields(number), messages })) {
        if (event.type === 'answered') {
          this.#spend(event.step);
          return event.step;
        }
        if (event.type === 'delta') this.#text += event.text;
        else if (event.type === 'restart') this.#text = '';
        else this.#answering(event.summary);
        yield event;
      }
      throw new InvariantError('a step ended without an answer and without an error');
    } catch (thrown) {
      if (!this.#isLate()) throw thrown;
      this.#spendUnknown();
      if (this.#text !== '') this.output.push({ role: 'assistant', content: this.#text });
      return 'deadline';
    }
  }

  #ask(
    runId: string,
    fields: { readonly messages: ChatMessage[]; readonly [field: string]: unknown },
    signal = this.signal,
  ): ReturnType<typeof runStep> {
    const { surface, caller, preferences, onLimits, restarts } = this.#call;
    this.signal.throwIfAborted();
    this.runIds.push(runId);
    return runStep(this.#parts.gateway, {
      surface,
      caller,
      runId,
      request: { model: this.#agent.model, ...fields, stream: true, stream_options: { include_usage: true } },
      preferences,
      signal,
      receivedAt: this.#parts.clock.now(),
      traceparent: this.#traceparent,
      agent: this.#agent.name,
      onLimits,
      ...(restarts === false && { restarts }),
    });
  }

  #fields(number: number): Readonly<Record<string, unknown>> {
    const { temperature, topP, maxTokens, stop } = this.#agent.sampling;
    const { definitions } = this.#toolbox;
    const given = {
      temperature,
      top_p: topP,
      // The same limit under its newer name: providers refuse both.
      max_tokens: this.#call.fields?.['max_completion_tokens'] === undefined ? maxTokens : undefined,
      stop,
      ...this.#call.fields,
      tools: definitions.length === 0 ? undefined : definitions,
    };
    // A choice that forces a call would force it in every step: then no answer ever came.
    const kept = Object.entries(given).filter(
      ([name, value]) => value !== undefined && (name !== 'tool_choice' || number === 1),
    );
    return Object.fromEntries(kept);
  }

  /** Yields each tool's end; returns whether the deadline passed meanwhile. */
  async *#runTools(calls: readonly ToolCall[]): AsyncGenerator<LoopEvent, boolean> {
    const since = this.#parts.clock.now();
    const allowed = calls.slice(0, limits.agentToolsOfStepMax);
    const running = pooled(allowed, limits.agentToolsAtOnceMax, (call) => this.#toolbox.run(call, this.signal));
    for (const [place, call] of calls.entries()) {
      const result = await this.#resultOf(call, running[place], since);
      this.tools.push(result.use);
      this.output.push(toolMessage(call.id, result.text));
      yield { type: 'tool', use: result.use };
    }
    return this.#isLate();
  }

  async #resultOf(
    { id, name }: ToolCall,
    running: Promise<ToolResult> | undefined,
    since: number,
  ): Promise<ToolResult> {
    const ended = (outcome: ToolUse['outcome'], text: string): ToolResult => ({
      use: { id, name, outcome, tookMs: roundMs(this.#parts.clock.now() - since) },
      text,
    });
    if (running === undefined)
      return ended('failed', `It was not run: one step may call ${limits.agentToolsOfStepMax} tools.`);
    try {
      return await running;
    } catch (thrown) {
      if (!this.#isLate()) throw this.errorFor(thrown);
      return ended('timed_out', 'It did not end before the deadline of the turn.');
    }
  }

  /** Calls of the hub's tools beside them are the model's to make again, once it has the results. */
  #waitForCaller(message: ChatMessage, callers: readonly ToolCall[]): void {
    const ids = new Set(callers.map(({ id }) => id));
    const all: unknown[] = Array.isArray(message['tool_calls']) ? message['tool_calls'] : [];
    this.#toolCalls = all.filter((call) => isRecord(call)).filter(({ id }) => typeof id === 'string' && ids.has(id));
    this.output.push({ ...message, tool_calls: this.#toolCalls });
  }

  #limit(steps: number): TurnEnd | null {
    const { steps: stepsMax, costMicroUsd } = this.#agent.limits;
    if (costMicroUsd !== null && this.#costMicroUsd >= costMicroUsd) return 'cost';
    return steps >= stepsMax ? 'steps' : null;
  }

  #answering(summary: RunSummary): void {
    this.#summary = summary;
    this.#simulated ||= summary.simulated;
  }

  #spend({ spent }: StepEnd): void {
    this.#promptTokens = sum(this.#promptTokens, spent.promptTokens);
    this.#completionTokens = sum(this.#completionTokens, spent.completionTokens);
    this.#costMicroUsd += spent.costMicroUsd ?? 0;
    this.#costKnown &&= spent.costMicroUsd !== null;
  }

  /** What a cut call used is not known any more. */
  #spendUnknown(): void {
    this.#costKnown = false;
    this.#promptTokens = null;
    this.#completionTokens = null;
  }

  #isLate(): boolean {
    return this.signal.aborted && this.signal.reason === this.#late;
  }
}

function sum(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}

function endOf(finish: string | null): TurnEnd {
  return finish === 'length' || finish === 'content_filter' ? finish : 'stop';
}
