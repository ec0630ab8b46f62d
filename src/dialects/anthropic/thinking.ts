/**
 * How much is to be thought, in the words of the model that is asked: up to Claude 4.5 a budget of tokens, which the newer ones refuse, and
 * from 4.6 on an effort, which the older ones do not know. https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
 */
import { given, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { untranslatable } from '../untranslatable.ts';

export interface Thinking {
  readonly thinking?: Json;
  readonly output_config?: Json;
  /** What it may come to, which Anthropic counts against the bound of the answer. */
  readonly tokens: number;
}

export const NO_THINKING: Thinking = { tokens: 0 };

/** Tokens for each `reasoning_effort`; a budget has 1,024 at least. */
const TOKENS = new Map([
  ['low', 1_024],
  ['medium', 4_096],
  ['high', 16_384],
  ['xhigh', 32_768],
  ['max', 32_768],
]);
/** No budget is that large: the older models' whole answers are bounded by less. */
const ADAPTIVE_ONLY = ['xhigh', 'max'];

/** Throws `UpstreamFailure('untranslatable')` for an effort that is none of Anthropic's. */
export function toThinking(effort: unknown, model: string): Thinking {
  if (!given(effort) || effort === 'none' || effort === 'minimal') return NO_THINKING;
  const tokens = TOKENS.get(textOf(effort));
  const adaptive = isAdaptive(model);
  if (tokens === undefined || (!adaptive && ADAPTIVE_ONLY.includes(textOf(effort)))) {
    const words = [...TOKENS.keys()].filter((word) => adaptive || !ADAPTIVE_ONLY.includes(word));
    throw untranslatable(
      'reasoning_effort',
      `it must be none, minimal, ${words.join(', ')} for this model of Anthropic’s`,
    );
  }
  if (adaptive) return { thinking: { type: 'adaptive' }, output_config: { effort }, tokens };
  return { thinking: { type: 'enabled', budget_tokens: tokens }, tokens };
}

/** A version after the family: `claude-opus-4-7`, `claude-sonnet-5`. A date is none, and other vendors' models behind this API take budgets. */
function isAdaptive(model: string): boolean {
  const [, major, minor = '0'] = /claude-[a-z]+-(\d{1,2})(?:[.-](\d{1,2}))?(?!\d)/.exec(model) ?? [];
  return major !== undefined && Number(major) * 100 + Number(minor) >= 406;
}
