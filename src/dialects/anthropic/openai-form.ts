/**
 * What a caller of the Messages API asks, for an upstream that knows OpenAI's form and no word beyond it: many refuse a request for a field
 * that they do not know. What has a word there is translated, what says nothing about the answer is left out, the rest is refused by
 * name. Only for such callers: who speaks OpenAI's form himself is told on as he wrote it.
 */
import type { ChatMessage, ChatRequest } from '#contract/chat';
import { defined, given, isRecord, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { untranslatable } from '../untranslatable.ts';

/** The longest id of an end user that providers take; Claude Code's are longer. https://platform.openai.com/docs/api-reference/chat */
const USER_CHARS_MAX = 64;
/** Anthropic's own machinery: an answer without it would be another. So is every field that the hub does not know. */
const ITS_OWN = ['container', 'mcp_servers', 'inference_geo'];
const PARTS = ['text', 'image_url', 'file'];
const INSTEAD = 'which Anthropic alone knows: leave it out, or ask a deployment of the kind anthropic';
const PLAIN = 'data:text/plain;base64,';
const SHOWN_BELOW = 'The result is shown in the next message.';
/** From this budget of thinking on; below the last, `low`. The other way it is told in `thinking.ts`. */
const EFFORTS = [
  [16_384, 'high'],
  [4_096, 'medium'],
] as const;

/**
 * `cached`: the server takes `cache_control` as OpenRouter does, of the request, of tools and of parts of a content
 * (https://openrouter.ai/docs/features/prompt-caching). Throws `UpstreamFailure('untranslatable')`.
 */
export function inOpenAiForm(request: ChatRequest, cached = false): ChatRequest {
  const {
    messages,
    tools,
    user,
    thinking,
    output_config: output,
    cache_control: control,
    context_management: _m,
    speed: _s,
    anthropic_beta: _b,
    anthropic: more,
    ...rest
  } = request;
  const own = ITS_OWN.find((name) => given(rest[name])) ?? (isRecord(more) ? Object.keys(more)[0] : undefined);
  if (own !== undefined) throw untranslatable(own, `it is a field ${INSTEAD}`);
  return {
    ...rest,
    messages: toldMessages(messages, cached),
    ...(cached && given(control) && { cache_control: control }),
    ...defined({
      tools: Array.isArray(tools) ? tools.map((tool: unknown, at) => toldTool(tool, at, cached)) : tools,
      user: textOf(user).length > USER_CHARS_MAX ? undefined : user,
      reasoning_effort: toEffort(thinking, output),
    }),
  };
}

/** OpenAI has one word for both. Where the model is to decide by itself, nothing is said: so it does without. */
function toEffort(thinking: unknown, output: unknown): string | undefined {
  const { type, budget_tokens: budget } = isRecord(thinking) ? thinking : {};
  const { effort: word, ...more } = isRecord(output) ? output : {};
  const [own] = Object.keys(more);
  if (own !== undefined) throw untranslatable(`output_config.${own}`, `it is a field ${INSTEAD}`);
  const effort = textOf(word);
  if (type === 'disabled') return undefined;
  // The two above it are names of Anthropic's own.
  if (effort !== '') return effort === 'xhigh' || effort === 'max' ? 'high' : effort;
  if (type !== 'enabled') return undefined;
  return EFFORTS.find(([tokens]) => Number(budget) >= tokens)?.[1] ?? 'low';
}

function toldMessages(messages: readonly ChatMessage[], cached: boolean): ChatMessage[] {
  const told: ChatMessage[] = [];
  /** Of the system message that was told last: it grows, and may have very many parts. */
  let instructions: Json[] = [];
  /** Pictures and files of results, which can hold text alone: shown after the last result of a turn. */
  let shown: Json[] = [];
  const show = (): void => {
    if (shown.length > 0) told.push({ role: 'user', content: shown });
    shown = [];
  };
  for (const {
    role,
    content,
    thinking_blocks: _t,
    anthropic: _o,
    is_error: _e,
    cache_control: control,
    ...said
  } of messages) {
    const calls = said['tool_calls'];
    const fields = Array.isArray(calls) ? { ...said, tool_calls: calls.map(toldCall) } : said;
    const parts = partsOf(content).map((part) => toldPart(part, cached));
    const last = told.at(-1);
    if (role === 'tool') {
      const texts = cached ? controlled(parts.filter(isText), control) : parts.filter(isText);
      const others = parts.filter((part) => !isText(part));
      for (const part of others) shown.push(part);
      told.push({ ...fields, role, content: others.length > 0 && texts.length === 0 ? SHOWN_BELOW : plain(texts) });
    } else if (role === 'system' && last?.role === 'system') {
      // A block of instructions is a message of its own here, and some models take but one.
      if (last.content !== instructions) last.content = instructions = [...partsOf(last.content)];
      for (const part of parts) instructions.push(part);
    } else {
      show();
      told.push({ ...fields, role, content: content === undefined || content === null ? null : plain(parts) });
    }
  }
  show();
  return told;
}

function partsOf(content: ChatMessage['content']): readonly Json[] {
  if (content === undefined || content === null) return [];
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

/** One text is written as a text: not every server reads a list. */
function plain(parts: readonly Json[]): string | readonly Json[] {
  const [first] = parts;
  if (first === undefined) return '';
  return parts.length === 1 && isText(first) && !given(first['cache_control']) ? textOf(first['text']) : parts;
}

/** A result has its own word for it, the last of its parts the server's. */
function controlled(texts: readonly Json[], control: unknown): readonly Json[] {
  const last = texts.at(-1);
  return last === undefined || !given(control) ? texts : [...texts.slice(0, -1), { ...last, cache_control: control }];
}

function isText({ type }: Json): boolean {
  return type === 'text';
}

/** Files are PDFs there, and none is fetched. */
function toldPart(written: Json, cached: boolean): Json {
  const { cache_control: control, ...bare } = written;
  const part = cached ? written : bare;
  if (!PARTS.includes(textOf(part['type'])))
    throw untranslatable('messages.content', `it holds a block of the type "${textOf(part['type'])}", ${INSTEAD}`);
  const { file_data: data, file_url: url, filename }: Json = isRecord(part['file']) ? part['file'] : {};
  if (given(url)) throw untranslatable('source.url', 'it is the address of a document, which Anthropic alone fetches');
  if (!textOf(data).startsWith(PLAIN)) return part;
  const text = Buffer.from(textOf(data).slice(PLAIN.length), 'base64').toString();
  const told = { type: 'text', text: given(filename) ? `${textOf(filename)}\n\n${text}` : text };
  return cached && given(control) ? { ...told, cache_control: control } : told;
}

function toldTool(tool: unknown, at: number, cached: boolean): Json {
  const { type, function: called, cache_control: control } = isRecord(tool) ? tool : {};
  if (type !== 'function') throw untranslatable(`tools[${at}].type`, `it is "${textOf(type)}", a tool ${INSTEAD}`);
  return { type, function: called, ...(cached && given(control) && { cache_control: control }) };
}

function toldCall(call: unknown): Json {
  const { id, type, function: called } = isRecord(call) ? call : {};
  return { id, type, function: called };
}
