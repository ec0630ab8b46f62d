/**
 * The built-in upstream: everything can be tried, tested and drilled with no key and no network. It answers at the pace, and fails
 * at the rates, that its settings say, from a seed where one is given. Every answer says that it is simulated. Any model name is
 * answered; `models` only says which are listed.
 */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { CancelSignal } from '#core/cancel';
import { seededRandom } from '#core/random';
import type { Random } from '#core/random';
import type { ChatChunk, ChatCompletion, ChatRequest, Model, Usage } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type {
  Call,
  EmbeddingAnswer,
  EmbeddingCall,
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderContext,
  ProviderEvent,
  ProviderStream,
} from '#contract/provider';
import { defineProvider } from './define-provider.ts';
import { answerTo, wordsOf } from './simulator-answer.ts';
import type { SimulatedAnswer } from './simulator-answer.ts';
import { embeddingsFor } from './simulator-embedding.ts';

const DEFAULTS = { p50: 150, p95: 400, tokensPerSecond: 80, models: ['chat'] };
const CHOICES_MAX = 16;

const rate = (what: string) =>
  Type.Optional(
    Type.Number({ minimum: 0, maximum: 1, default: 0, description: `Share of the calls that ${what}, 0 to 1.` }),
  );

const settings = Type.Object(
  {
    seed: Type.Optional(Type.Integer({ minimum: 0, description: 'Makes latency and failures the same in every run.' })),
    firstTokenMs: Type.Optional(
      Type.Object(
        {
          p50: Type.Number({
            minimum: 0,
            maximum: 600_000,
            default: DEFAULTS.p50,
            description: 'Half of the calls are faster.',
          }),
          p95: Type.Number({
            minimum: 0,
            maximum: 600_000,
            default: DEFAULTS.p95,
            description: '19 of 20 calls are faster.',
          }),
        },
        {
          additionalProperties: false,
          description: 'Time to the first token: a log-normal distribution through two points.',
        },
      ),
    ),
    tokensPerSecond: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1_000_000,
        default: DEFAULTS.tokensPerSecond,
        description: 'Pace after the first token; 0 means at once.',
      }),
    ),
    failureRate: rate('are answered with status 500'),
    stallRate: rate('stop in the middle and never go on'),
    cutRate: rate('are cut in the middle'),
    models: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        maxItems: 1000,
        default: DEFAULTS.models,
        description: 'Model names it lists.',
      }),
    ),
    reply: Type.Optional(
      Type.String({ minLength: 1, description: 'Answer this text instead of repeating the question.' }),
    ),
  },
  { additionalProperties: false },
);

type Settings = Static<typeof settings>;

export const simulator = defineProvider({
  kind: 'simulator',
  settings,
  capabilities: {
    streaming: true,
    tools: true,
    jsonMode: true,
    jsonSchema: true,
    vision: true,
    embeddings: true,
    prefill: false,
    passesUnknownFields: false,
  },
  create: (given, context) => new Simulator(given, context),
});

/** What chance decided about one call. */
type Fate = 'whole' | 'fails' | 'stalls' | 'cut';

class Simulator implements Provider {
  readonly name: string;
  readonly kind = 'simulator';
  readonly prefill = false;
  readonly address = 'built in';
  readonly #settings: Settings;
  readonly #context: ProviderContext;
  readonly #random: Random;

  constructor(given: Settings, context: ProviderContext) {
    this.name = context.name;
    this.#settings = given;
    this.#context = context;
    this.#random = given.seed === undefined ? context.random : seededRandom(given.seed);
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    const { fate, answer } = await this.#begin(call);
    const tokens = tokenCount(answer);
    if (fate === 'stalls') await forever(call.signal);
    if (fate === 'cut') throw cut();
    await this.#wait(tokens * this.#tokenMs(), call.signal);
    return { body: completionOf(this.#frame(call.model), answer, choiceCount(call.request)), raw: undefined };
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    const { fate, answer } = await this.#begin(call);
    return { events: this.#events(call, answer, fate) };
  }

  async embed(call: EmbeddingCall): Promise<EmbeddingAnswer> {
    const fate = await this.#arrive(call);
    if (fate === 'stalls') await forever(call.signal);
    if (fate === 'cut') throw cut();
    return { body: embeddingsFor(call.request, call.model), raw: undefined };
  }

  models(): Promise<Model[]> {
    const names = this.#settings.models ?? DEFAULTS.models;
    return Promise.resolve(names.map((id) => ({ id, object: 'model', created: 0, owned_by: this.name })));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #begin(call: ProviderCall): Promise<{ fate: Fate; answer: SimulatedAnswer }> {
    const choices = choiceCount(call.request);
    if (!(choices >= 1 && choices <= CHOICES_MAX)) {
      const body = { message: `n must be 1 to ${CHOICES_MAX}.`, type: 'invalid_request_error', param: 'n' };
      throw new UpstreamFailure('status', 'The simulator answered with status 400.', { status: 400, body });
    }
    return { fate: await this.#arrive(call), answer: answerTo(call.request, this.#settings.reply) };
  }

  /** Up to the first token. Throws where the call is to fail. */
  async #arrive(call: Call<unknown>): Promise<Fate> {
    call.signal.throwIfAborted();
    call.onConnected();
    // Chance is drawn before anything waits, so that a seed gives the same run whatever the order of the calls' ends.
    const { p50, p95 } = this.#settings.firstTokenMs ?? DEFAULTS;
    const waitMs = logNormal(this.#random, p50, p95);
    const fate = this.#fate();
    await this.#wait(waitMs, call.signal);
    if (fate === 'fails') {
      const body = { message: 'A simulated failure.', type: 'server_error' };
      throw new UpstreamFailure('status', 'The simulator answered with status 500.', { status: 500, body });
    }
    return fate;
  }

  #fate(): Fate {
    const { failureRate = 0, stallRate = 0, cutRate = 0 } = this.#settings;
    const drawn = this.#random.next();
    if (drawn < failureRate) return 'fails';
    if (drawn < failureRate + stallRate) return 'stalls';
    return drawn < failureRate + stallRate + cutRate ? 'cut' : 'whole';
  }

  async *#events(call: ProviderCall, answer: SimulatedAnswer, fate: Fate): AsyncGenerator<ProviderEvent, undefined> {
    const frame = this.#frame(call.model);
    const choices = choiceCount(call.request);
    const withUsage = wantsUsage(call.request);
    const tokenMs = this.#tokenMs();
    const deltas = deltasOf(answer, frame.id);
    const stopAt = Math.ceil(deltas.length / 2);
    for (const [position, delta] of deltas.entries()) {
      if (position === stopAt && fate === 'stalls') await forever(call.signal);
      if (position === stopAt && fate === 'cut') throw cut();
      if (position > 1) await this.#wait(tokenMs, call.signal);
      for (let index = 0; index < choices; index++)
        yield event(frame, [{ index, delta, logprobs: null, finish_reason: null }], withUsage);
    }
    for (let index = 0; index < choices; index++)
      yield event(frame, [{ index, delta: {}, logprobs: null, finish_reason: answer.finishReason }], withUsage);
    if (withUsage) yield event(frame, [], usageOf(answer, choices));
    return undefined;
  }

  #wait(ms: number, signal: CancelSignal): Promise<void> | undefined {
    return ms > 0 ? this.#context.clock.sleep(ms, signal) : undefined;
  }

  #tokenMs(): number {
    const perSecond = this.#settings.tokensPerSecond ?? DEFAULTS.tokensPerSecond;
    return perSecond === 0 ? 0 : 1000 / perSecond;
  }

  #frame(model: string): Frame {
    const id = `chatcmpl-sim-${Math.floor(this.#random.next() * 2 ** 48).toString(36)}`;
    return { id, created: Math.floor(this.#context.clock.wallMs() / 1000), model };
  }
}

interface Frame {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

function completionOf(frame: Frame, answer: SimulatedAnswer, choices: number): ChatCompletion {
  const { toolCall } = answer;
  const message =
    toolCall === undefined
      ? { role: 'assistant', content: answer.words.join(''), refusal: null }
      : {
          role: 'assistant',
          content: null,
          refusal: null,
          tool_calls: [{ id: `call_${frame.id.slice(13)}`, type: 'function', function: toolCall }],
        };
  return {
    ...frame,
    object: 'chat.completion',
    choices: Array.from({ length: choices }, (_, index) => ({
      index,
      message,
      logprobs: null,
      finish_reason: answer.finishReason,
    })),
    usage: usageOf(answer, choices),
  };
}

/** The role first, then the words, or a tool's name and then its arguments piece by piece. */
function deltasOf(answer: SimulatedAnswer, id: string): Record<string, unknown>[] {
  const role = 'assistant';
  const { toolCall } = answer;
  if (toolCall === undefined) return [{ role, content: '' }, ...answer.words.map((content) => ({ content }))];
  const head = {
    index: 0,
    id: `call_${id.slice(13)}`,
    type: 'function',
    function: { name: toolCall.name, arguments: '' },
  };
  const tail = wordsOf(toolCall.arguments).map((piece) => ({
    tool_calls: [{ index: 0, function: { arguments: piece } }],
  }));
  return [{ role, content: null, tool_calls: [head] }, ...tail];
}

/** With `stream_options.include_usage`, every chunk has `usage`, and all but the last have null in it. */
function event(frame: Frame, choices: ChatChunk['choices'], usage: Usage | boolean): ProviderEvent {
  const chunk: ChatChunk = { ...frame, object: 'chat.completion.chunk', choices };
  if (usage !== false) chunk.usage = usage === true ? null : usage;
  return { chunk, data: JSON.stringify(chunk) };
}

function usageOf(answer: SimulatedAnswer, choices: number): Usage {
  const completion = tokenCount(answer) * choices;
  return {
    prompt_tokens: answer.promptTokens,
    completion_tokens: completion,
    total_tokens: answer.promptTokens + completion,
  };
}

function tokenCount(answer: SimulatedAnswer): number {
  return answer.toolCall === undefined ? answer.words.length : wordsOf(answer.toolCall.arguments).length + 1;
}

function choiceCount(request: ChatRequest): number {
  return typeof request['n'] === 'number' ? Math.floor(request['n']) : 1;
}

function wantsUsage(request: ChatRequest): boolean {
  const options = request['stream_options'];
  return (
    typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
  );
}

function cut(): UpstreamFailure {
  return new UpstreamFailure('cut', 'The simulator cut its answer.', { status: 200 });
}

/** Until the signal aborts; throws its reason. */
function forever(signal: CancelSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** z of the 95th percentile of the normal distribution. */
const Z95 = 1.6449;

/** A draw from the log-normal distribution with these two percentiles (Box and Muller's transform). */
function logNormal(random: Random, p50: number, p95: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  if (p50 <= 0 || p95 <= p50) return Math.max(p50, 0);
  return p50 * Math.exp((Math.log(p95 / p50) / Z95) * normal);
}
