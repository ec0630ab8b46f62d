/**
 * The gateway with agents among its models: `agent:<name>` of the caller's project answers as a model does, its own tools run inside. It
 * keeps nothing: what the caller sends is all there is, as with any model. Every other model passes by.
 */
import type { CancelSignal } from '#core/cancel';
import type { Clock } from '#core/clock';
import { CallerError, HubError, InvariantError, messageOf } from '#core/errors';
import { limits } from '#core/limits';
import type { AgentStore, TurnResult } from '#contract/agents';
import type { ChatRequest, Model } from '#contract/chat';
import type { Caller, ChatAnswer, ChatCall, ChatStream, Gateway, RunSummary } from '#contract/gateway';
import type { Logger } from '#contract/logger';
import type { RunningAgents, TurnEvent } from './agents.ts';
import { isRecord } from './arguments.ts';
import { Chunks, completionOf, TurnText } from './completion.ts';

export interface AgentGatewayParts {
  readonly gateway: Gateway;
  readonly agents: RunningAgents;
  readonly store: Pick<AgentStore, 'findByName' | 'list'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const PREFIX = 'agent:';
/** No other text is asked for: a database refuses some of them. */
const NAME = /^[a-z0-9-]{1,63}$/;

export class AgentGateway implements Gateway {
  readonly embed: Gateway['embed'];
  readonly countTokens: Gateway['countTokens'];
  readonly deployments: Gateway['deployments'];
  readonly #parts: AgentGatewayParts;

  constructor(parts: AgentGatewayParts) {
    this.#parts = parts;
    this.embed = async (call) => {
      if (!call.request.model.startsWith(PREFIX)) return parts.gateway.embed(call);
      const detail = 'An agent gives no vectors. Name a model that does; GET /v1/models lists them.';
      throw new CallerError('bad_request', detail, { param: 'model' });
    };
    this.countTokens = async (call) => {
      if (!call.request.model.startsWith(PREFIX)) return parts.gateway.countTokens(call);
      const detail = 'What an agent tells its model is known only in its turn. Its answer tells the tokens as usage.';
      throw new CallerError('bad_request', detail, { param: 'model' });
    };
    this.deployments = () => parts.gateway.deployments();
  }

  complete(call: ChatCall): Promise<ChatAnswer> {
    return call.request.model.startsWith(PREFIX) ? this.#complete(call) : this.#parts.gateway.complete(call);
  }

  async #complete(call: ChatCall): Promise<ChatAnswer> {
    const text = new TurnText();
    const summaries = new Summaries(call.runId);
    for await (const event of await this.#turn(call)) {
      summaries.take(event);
      text.take(event);
      if (event.type !== 'end') continue;
      const body = completionOf(this.#frame(call), text.whole, event.result);
      return { summary: summaries.sum(), body, raw: undefined };
    }
    throw new InvariantError('a turn ended without its last event');
  }

  async stream(call: ChatCall): Promise<ChatStream> {
    if (!call.request.model.startsWith(PREFIX)) return this.#parts.gateway.stream(call);
    const events = await this.#turn(call);
    const summaries = new Summaries(call.runId);
    const begun: TurnEvent[] = [];
    // Up to the first thing that is shown: until then what goes wrong is a status.
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      summaries.take(next.value);
      begun.push(next.value);
      if (next.value.type === 'delta' || next.value.type === 'end') break;
    }
    let result: TurnResult | null = null;
    const chunks = chunksOf(begun, events, new Chunks(this.#frame(call)), wantsUsage(call.request), (end) => {
      result = end;
    });
    return {
      summary: summaries.sum(),
      events: {
        [Symbol.asyncIterator]() {
          return this;
        },
        next: () => chunks.next(),
        // A generator that was never begun would end nothing.
        async return() {
          await events.return();
          return chunks.return(undefined);
        },
      },
      spent: () => result ?? { promptTokens: null, completionTokens: null, costMicroUsd: null },
    };
  }

  async models(caller: Caller, signal: CancelSignal): Promise<readonly Model[]> {
    const [models, agents] = await Promise.all([this.#parts.gateway.models(caller, signal), this.#agentsOf(caller)]);
    return [...models, ...agents];
  }

  /** The newest of them. Without the database there are the other models still. */
  async #agentsOf({ projectId }: Caller): Promise<Model[]> {
    try {
      const agents = await this.#parts.store.list(projectId, { limit: limits.pageRowsMax }, {});
      return agents.map(({ name, createdWallMs }) => ({
        id: PREFIX + name,
        object: 'model',
        created: Math.floor(createdWallMs / 1000),
        owned_by: 'revoagent',
      }));
    } catch (thrown) {
      if (!(thrown instanceof HubError)) throw thrown;
      this.#parts.logger.warn('agents-not-listed', { reason: messageOf(thrown) });
      return [];
    }
  }

  async #turn(call: ChatCall): Promise<AsyncGenerator<TurnEvent, void>> {
    const { request, caller } = call;
    const { model, messages, tools, stream: _stream, stream_options: _options, n, functions, ...fields } = request;
    if (functions !== undefined) throw unsupported('functions', 'Give the tools of an agent as tools.');
    if (n !== undefined && n !== null && n !== 1) throw unsupported('n', 'An agent gives one answer.');
    const name = model.slice(PREFIX.length);
    const agent = NAME.test(name) ? await this.#parts.store.findByName(caller.projectId, name) : null;
    if (agent === null)
      throw new CallerError('model_not_found', 'There is no agent of this name here. GET /v1/models lists them.', {
        param: 'model',
      });
    const { surface, preferences, signal, receivedAt, traceparent, runId, onLimits, restarts } = call;
    return this.#parts.agents.events({
      surface,
      caller,
      agentId: agent.id,
      conversationId: null,
      messages,
      tools: Array.isArray(tools) ? tools.filter((tool) => isRecord(tool)) : undefined,
      fields,
      runId,
      preferences,
      signal,
      receivedAt,
      traceparent,
      onLimits,
      ...(restarts === false && { restarts }),
    });
  }

  #frame({ runId, request }: ChatCall) {
    return { id: `chatcmpl-${runId}`, created: Math.floor(this.#parts.clock.wallMs() / 1000), model: request.model };
  }
}

async function* chunksOf(
  begun: readonly TurnEvent[],
  events: AsyncGenerator<TurnEvent, void>,
  chunks: Chunks,
  withUsage: boolean,
  ended: (result: TurnResult) => void,
): AsyncGenerator<string, undefined> {
  const text = new TurnText();
  try {
    for await (const event of joined(begun, events)) {
      const added = text.take(event);
      if (added === null) {
        yield chunks.restart();
        // To its reader all text so far is void, and that of the steps before is not.
        if (text.whole !== '') yield chunks.text(text.whole);
      } else if (added !== '') yield chunks.text(added);
      if (event.type !== 'end') continue;
      ended(event.result);
      yield* chunks.end(event.result, withUsage);
    }
  } finally {
    await events.return();
  }
  return undefined;
}

async function* joined(
  begun: readonly TurnEvent[],
  events: AsyncGenerator<TurnEvent, void>,
): AsyncGenerator<TurnEvent> {
  yield* begun;
  yield* events;
}

/** The summaries of a turn's runs as one, under the id that its caller knows. */
class Summaries {
  #sum: RunSummary;

  constructor(runId: string) {
    const nobody = { provider: null, model: null, attempts: 0, overheadMs: 0, degraded: false, simulated: false };
    this.#sum = { runId, ...nobody };
  }

  take(event: TurnEvent): void {
    if (event.type !== 'answering') return;
    const { runId, attempts, overheadMs, simulated } = this.#sum;
    // What a step took from the cache is in its run: a turn, which acts, is never answered from there.
    const { cache: _, ...summary } = event.summary;
    this.#sum = {
      ...summary,
      runId,
      attempts: attempts + summary.attempts,
      overheadMs: overheadMs + summary.overheadMs,
      simulated: simulated || summary.simulated,
    };
  }

  sum(): RunSummary {
    return this.#sum;
  }
}

function wantsUsage({ stream_options: options }: ChatRequest): boolean {
  return isRecord(options) && options['include_usage'] === true;
}

function unsupported(param: string, detail: string): CallerError {
  return new CallerError('unsupported_field', detail, { param });
}
