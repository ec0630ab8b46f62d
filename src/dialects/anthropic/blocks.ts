/**
 * Anthropic's blocks beside their translation. OpenAI's form has words for thoughts, one text and calls, in this order; of an answer that
 * holds more (what Anthropic's own tools asked and found, citations, thoughts between calls), the blocks are kept whole in its message's
 * field `anthropic`, so that whoever speaks Anthropic's form gets, and sends back, what was said.
 */
import { limits } from '#core/limits';
import { UpstreamFailure } from '#contract/provider';
import { besides, given, isRecord, parseJson, textOf } from '../json.ts';
import type { Json } from '../json.ts';

/** The order in which the translation tells them. */
const RANKS = new Map([
  ['thinking', 0],
  ['redacted_thinking', 0],
  ['text', 1],
  ['tool_use', 2],
]);
const TEXT_RANK = 1;
/** Of a call, what is translated. */
const CALL_FIELDS = ['type', 'id', 'name', 'input', 'cache_control'];
/** Of a message, what is translated. */
export const MESSAGE_FIELDS = ['id', 'type', 'role', 'model', 'content', 'stop_reason', 'stop_sequence', 'usage'];

export function isThought({ type }: Json): boolean {
  return type === 'thinking' || type === 'redacted_thinking';
}

/** Whether the translation gives these back as they are. */
export function isTranslatable(blocks: readonly Json[]): boolean {
  return blocks.every((block, at) => follows(block, blocks[at - 1]) && !isCited(block));
}

/** Whether OpenAI's form has a word for it. */
export function isKnown({ type }: Json): boolean {
  return RANKS.has(textOf(type));
}

/** Whether OpenAI's form has a place for it after the one before. */
function follows({ type }: Json, before: Json | undefined): boolean {
  const rank = RANKS.get(textOf(type));
  if (rank === undefined || before === undefined) return rank !== undefined;
  const last = RANKS.get(textOf(before['type'])) ?? 0;
  return rank > last || (rank === last && rank !== TEXT_RANK);
}

function isCited({ type, citations }: Json): boolean {
  return type === 'text' && listOf(citations).length > 0;
}

/** The blocks that a message of an answer, or a piece of one, keeps whole. */
export function keptBlocks({ anthropic: own }: Json): Json[] {
  return isRecord(own) ? listOf(own['content']).filter(isRecord) : [];
}

/**
 * Whether the blocks still say what their message says: a client that sends it back, or a guardrail, may have changed it, and then the
 * translation is what counts.
 */
export function sayTheSame(blocks: readonly Json[], { content, tool_calls: calls }: Json): boolean {
  const parts = Array.isArray(content) ? content.filter(isRecord) : [{ type: 'text', text: content }];
  const said = listOf(calls).map((call) => {
    const { id, function: called } = isRecord(call) ? call : {};
    const { name, arguments: text } = isRecord(called) ? called : {};
    return [id, name, parseJson(textOf(text) || '{}')];
  });
  const uses = blocks.filter(({ type }) => type === 'tool_use').map(({ id, name, input }) => [id, name, input ?? {}]);
  return (
    textsOf(blocks) === textsOf(parts) &&
    JSON.stringify(uses) === JSON.stringify(said) &&
    (!Array.isArray(content) || JSON.stringify(unknownIn(blocks)) === JSON.stringify(unknownIn(parts)))
  );
}

function textsOf(blocks: readonly Json[]): string {
  return blocks.map(({ type, text }) => (type === 'text' ? textOf(text) : '')).join('');
}

function unknownIn(blocks: readonly Json[]): Json[] {
  return blocks.filter((block) => !isKnown(block));
}

/** What else of an answer, or of a call, is known to Anthropic alone, by its own names. */
export function keptFields({ anthropic: own }: Json): Json {
  return isRecord(own) ? besides(own, ['content']) : {};
}

/** The field of a call with what `keptFields` gives of it, where there is any. That the model itself made it goes without saying. */
export function keptOfCall(use: Json): Json {
  const isDirect = isRecord(use['caller']) && use['caller']['type'] === 'direct';
  const own = besides(use, [...CALL_FIELDS, ...(isDirect ? ['caller'] : [])]);
  return Object.keys(own).length === 0 ? {} : { anthropic: own };
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The blocks of a stream, put together from its events; bounded as a plain answer is. */
export class StreamedBlocks {
  readonly #ended: Json[] = [];
  #open: Json = {};
  /** What was said of the open block's `input`. */
  #json = '';
  #chars = 0;
  #whole = false;
  #told = 0;

  /** Returns those that are now to be kept whole. */
  begin(block: Json): readonly Json[] {
    this.#open = { ...block };
    this.#json = '';
    this.#whole ||= !follows(block, this.#ended.at(-1));
    return this.#untold();
  }

  add(delta: Json): void {
    const open = this.#open;
    if (delta['type'] === 'input_json_delta') {
      this.#json += this.#counted(textOf(delta['partial_json']));
    } else if (delta['type'] === 'citations_delta') {
      this.#counted(JSON.stringify(delta));
      open['citations'] = [...listOf(open['citations']), delta['citation']];
    } else {
      for (const name in delta) {
        const value = delta[name];
        if (name === 'type') continue;
        if (typeof value === 'string') open[name] = textOf(open[name]) + this.#counted(value);
        else if (given(value)) open[name] = value;
      }
    }
  }

  /** Returns as `begin` does. */
  end(): readonly Json[] {
    if (this.#json !== '') this.#open['input'] = parseJson(this.#json) ?? {};
    this.#ended.push(this.#open);
    this.#whole ||= isCited(this.#open);
    return this.#untold();
  }

  /** What the open block of thinking has said. */
  get thought(): string {
    return textOf(this.#open['thinking']);
  }

  #untold(): readonly Json[] {
    if (!this.#whole) return [];
    const blocks = this.#ended.slice(this.#told);
    this.#told = this.#ended.length;
    return blocks;
  }

  #counted(text: string): string {
    this.#chars += text.length;
    if (this.#chars > limits.answerBytesMax)
      throw new UpstreamFailure('oversize', 'The upstream streamed more than an answer may hold.');
    return text;
  }
}
