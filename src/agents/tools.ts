/**
 * The tools of one turn: what the model is told of them, and how a call of it is run. Nothing that a tool does fails the turn: what went
 * wrong is told to the model, and reported. Only the end of the turn itself, by its caller or its deadline, ends a call with an error.
 */
import type { CancelSignal } from '#core/cancel';
import { roundMs } from '#core/clock';
import type { Clock } from '#core/clock';
import { CallerError, HubError, messageOf, UnavailableError } from '#core/errors';
import { limits } from '#core/limits';
import { newSpanId, newTraceId, traceparentOf } from '#core/trace-context';
import { TooSlowError, within } from '#core/within';
import type { AgentRecord, AgentTool, MemoryUse, ToolUse } from '#contract/agents';
import type { External } from '#contract/external';
import type { Caller } from '#contract/gateway';
import type { Logger } from '#contract/logger';
import type { Memory } from '#contract/memory';
import { UpstreamFailure } from '#contract/provider';
import type { TurnTrace } from '#contract/tracing';
import { isRecord, readArguments } from './arguments.ts';
import type { ToolAnswer, ToolArguments } from './arguments.ts';
import { callExternal } from './external-tool.ts';
import { memoryFunctions } from './memory-tool.ts';
import type { MemoryPlace } from './memory-tool.ts';

/** As a model makes it. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON, as far as the model got it right. */
  readonly arguments: string;
}

export interface ToolResult {
  readonly use: ToolUse;
  readonly text: string;
}

export interface ToolParts {
  readonly external: External;
  readonly memory: Memory;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Given {
  readonly agent: AgentRecord;
  readonly place: MemoryPlace | null;
  readonly callerTools: readonly Readonly<Record<string, unknown>>[];
  readonly traceparent: string | undefined;
  /** Where the turn's trace is exported. */
  readonly trace: TurnTrace | undefined;
  /** Whose limits its calls count for. */
  readonly caller: Caller;
  /** Told whenever the memory was of use, or was not there. */
  readonly memoryUsed: (use: MemoryUse) => void;
}

interface HubTool {
  readonly description: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  run(given: ToolArguments, signal: CancelSignal, traceparent: string): Promise<ToolAnswer>;
}

export class Toolbox {
  /** For the model, in OpenAI's form. */
  readonly definitions: readonly Readonly<Record<string, unknown>>[];
  readonly #parts: ToolParts;
  readonly #given: Given;
  readonly #hub = new Map<string, HubTool>();
  readonly #callers = new Set<string>();
  readonly #traceparent: string;

  /** Throws `invalid_body` where a tool of the caller's has the name of one of the agent's. */
  constructor(parts: ToolParts, given: Given) {
    this.#parts = parts;
    this.#given = given;
    this.#traceparent = given.traceparent ?? newTraceparent();
    const definitions: Readonly<Record<string, unknown>>[] = [];
    for (const tool of given.agent.tools) definitions.push(...this.#take(tool));
    for (const tool of given.callerTools) {
      const name = nameOf(tool);
      if (name !== null && (this.#hub.has(name) || this.#callers.has(name)))
        throw new CallerError('invalid_body', `There is more than one tool "${name}".`, { param: 'tools' });
      if (name !== null) this.#callers.add(name);
      definitions.push(tool);
    }
    this.definitions = definitions;
  }

  /** Whether the caller, and nobody else, can execute it. */
  isCallers(name: string): boolean {
    return this.#callers.has(name);
  }

  /** Rejects with the signal's reason only. */
  async run(call: ToolCall, signal: CancelSignal): Promise<ToolResult> {
    const { clock } = this.#parts;
    const since = clock.now();
    const span = this.#given.trace?.tool();
    const ended = (outcome: ToolUse['outcome']): ToolUse => {
      const use = { id: call.id, name: call.name, outcome, tookMs: roundMs(clock.now() - since) };
      span?.finished(use);
      return use;
    };
    try {
      const { outcome, text } = await this.#answer(call, signal, span?.traceparent ?? this.#traceparent);
      return { use: ended(outcome), text };
    } catch (thrown) {
      ended('timed_out');
      throw thrown;
    }
  }

  async #answer({ name, arguments: json }: ToolCall, signal: CancelSignal, traceparent: string): Promise<ToolAnswer> {
    const tool = this.#hub.get(name);
    if (tool === undefined) {
      const names = [...this.#hub.keys(), ...this.#callers].join(', ');
      return { outcome: 'unknown_tool', text: `There is no tool of this name. There are: ${names || 'none'}.` };
    }
    const given = readArguments(json, tool.parameters);
    if (!given.ok) return { outcome: 'bad_arguments', text: `The arguments are refused: ${given.problem}.` };
    const { clock } = this.#parts;
    try {
      return await within({ clock, limitMs: limits.agentToolMs, signal }, (own) =>
        tool.run(given.value, own, traceparent),
      );
    } catch (thrown) {
      signal.throwIfAborted();
      return this.#failure(name, thrown);
    }
  }

  #failure(name: string, thrown: unknown): ToolAnswer {
    const { logger } = this.#parts;
    if (thrown instanceof TooSlowError) return { outcome: 'timed_out', text: `The tool failed: ${thrown.message}` };
    if (!(thrown instanceof HubError)) {
      logger.error('tool-failed', { agent: this.#given.agent.id, tool: name }, thrown);
      return { outcome: 'failed', text: 'The tool failed.' };
    }
    logger.info('tool-failed', {
      agent: this.#given.agent.id,
      tool: name,
      code: thrown.code,
      reason: messageOf(thrown),
    });
    return { outcome: outcomeOf(thrown), text: `The tool failed: ${thrown.detail}` };
  }

  #take(tool: AgentTool): Readonly<Record<string, unknown>>[] {
    if (tool.kind === 'caller') {
      this.#callers.add(tool.name);
      return [definition(tool)];
    }
    if (tool.kind === 'external') {
      const { external } = this.#parts;
      const { caller } = this.#given;
      this.#hub.set(tool.name, {
        ...tool,
        run: (given, signal, traceparent) => callExternal(external, tool, given, { signal, traceparent, caller }),
      });
      return [definition(tool)];
    }
    const { place } = this.#given;
    // Without a place there is nothing to remember in, and the model is not told that it could.
    return place === null ? [] : this.#takeMemory(place);
  }

  #takeMemory(place: MemoryPlace): Readonly<Record<string, unknown>>[] {
    const { memory } = this.#parts;
    const { memoryUsed } = this.#given;
    return [...memoryFunctions].map(([name, { description, parameters, run }]) => {
      this.#hub.set(name, {
        description,
        parameters,
        run: async (given, signal) => {
          try {
            const answer = await run(memory, place, given, signal);
            memoryUsed('used');
            return answer;
          } catch (thrown) {
            if (thrown instanceof UnavailableError) memoryUsed('unavailable');
            throw thrown;
          }
        },
      });
      return definition({ name, description, parameters });
    });
  }
}

function outcomeOf(error: HubError): ToolUse['outcome'] {
  if (error.code === 'upstream_timeout') return 'timed_out';
  if (error.code === 'bad_request' || error.code === 'body_too_large') return 'bad_arguments';
  return error.cause instanceof UpstreamFailure && error.cause.kind === 'oversize' ? 'oversize' : 'failed';
}

function definition({ name, description, parameters }: Omit<HubTool, 'run'> & { readonly name: string }) {
  return { type: 'function', function: { name, description, parameters } };
}

/** Null for a kind of tool that has no name, which the model's provider runs itself. */
function nameOf(tool: Readonly<Record<string, unknown>>): string | null {
  const kind = tool['function'] ?? tool['custom'];
  return isRecord(kind) && typeof kind['name'] === 'string' ? kind['name'] : null;
}

function newTraceparent(): string {
  return traceparentOf({ traceId: newTraceId(), spanId: newSpanId(), sampled: true });
}
