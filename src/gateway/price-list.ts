/**
 * Prices of well-known models at their vendors' own APIs, standard tier, in US dollars a million tokens. Every line was read on the page
 * it names, on its date; models on whose prices the pages disagreed are left out, and a model that is not here has no price.
 * Vendors change prices without notice: the settings override any line. Writing to a cache and audio are reckoned as plain input.
 */

export type Vendor = 'openai' | 'anthropic' | 'google';

/** US dollars a million tokens. */
export interface Price {
  readonly inputUsd: number;
  /** Of the prompt's tokens that the upstream had cached; left out, they cost what the others do. */
  readonly cachedInputUsd?: number | undefined;
  readonly outputUsd: number;
}

export interface ListedPrice extends Price {
  readonly vendor: Vendor;
  /** Its versions by date or number are meant too. */
  readonly model: string;
  /** Where a prompt above this many tokens makes the whole call dearer. */
  readonly longPrompt?: Price & { readonly overTokens: number };
  readonly source: string;
  /** When it was read. */
  readonly date: string;
}

/** Its files follow the vendors' pages. */
const LLM_PRICES = 'https://github.com/simonw/llm-prices';
const COPILOT = 'https://github.com/github/docs/blob/main/data/tables/copilot/models-and-pricing.yml';
const date = '2026-11-23';

type Line = readonly [
  model: string,
  input: number,
  cached: number | undefined,
  output: number,
  longPrompt?: LongPrompt,
];
type LongPrompt = readonly [overTokens: number, input: number, cached: number, output: number];

function listed(vendor: Vendor, source: string, lines: readonly Line[]): ListedPrice[] {
  return lines.map(([model, inputUsd, cachedInputUsd, outputUsd, long]) => {
    const price = { vendor, model, inputUsd, cachedInputUsd, outputUsd, source, date };
    if (long === undefined) return price;
    return {
      ...price,
      longPrompt: { overTokens: long[0], inputUsd: long[1], cachedInputUsd: long[2], outputUsd: long[3] },
    };
  });
}

export const priceList: readonly ListedPrice[] = [
  ...listed('openai', LLM_PRICES, [
    ['gpt-5.5', 5, 0.5, 30, [272_000, 10, 1, 45]],
    ['gpt-5.4', 2.5, 0.25, 15, [272_000, 5, 0.5, 22.5]],
    ['gpt-5.4-mini', 0.75, 0.075, 4.5],
    ['gpt-5.4-nano', 0.2, 0.02, 1.25],
    ['gpt-5.2', 1.75, 0.175, 14],
    ['gpt-5.1', 1.25, 0.125, 10],
    ['gpt-5.1-codex', 1.25, 0.125, 10],
    ['gpt-5.1-codex-mini', 0.25, 0.025, 2],
    ['gpt-5', 1.25, 0.125, 10],
    ['gpt-5-mini', 0.25, 0.025, 2],
    ['gpt-5-nano', 0.05, 0.005, 0.4],
    ['gpt-4.1', 2, 0.5, 8],
    ['gpt-4.1-mini', 0.4, 0.1, 1.6],
    ['gpt-4.1-nano', 0.1, 0.025, 0.4],
    ['gpt-4o', 2.5, 1.25, 10],
    ['gpt-4o-mini', 0.15, 0.075, 0.6],
    ['o4-mini', 1.1, 0.275, 4.4],
    ['o3-mini', 1.1, 0.55, 4.4],
  ]),
  ...listed('openai', 'https://hex.pm/packages/openai_responses/0.4.1', [['gpt-4o-2024-05-13', 5, undefined, 15]]),
  ...listed('openai', COPILOT, [
    ['gpt-5.6-terra', 2, 0.2, 12, [272_000, 4, 0.4, 18]],
    ['gpt-5.6-luna', 0.2, 0.02, 1.2, [200_000, 0.4, 0.04, 1.8]],
  ]),
  ...listed('openai', 'https://chatgptpricing-akr.pages.dev/api-pricing', [
    ['text-embedding-3-small', 0.02, undefined, 0],
    ['text-embedding-3-large', 0.13, undefined, 0],
  ]),
  ...listed('anthropic', 'https://platform.claude.com/docs/en/about-claude/pricing', [
    ['claude-fable-5-1', 10, 0.25, 50],
    ['claude-fable-5', 10, 1, 50],
    ['claude-opus-5', 5, 0.5, 25],
    ['claude-opus-4-8', 5, 0.5, 25],
    ['claude-opus-4-7', 5, 0.5, 25],
    ['claude-opus-4-6', 5, 0.5, 25],
    ['claude-opus-4-5', 5, 0.5, 25],
    ['claude-opus-4-1', 15, 1.5, 75],
    ['claude-opus-4', 15, 1.5, 75],
    ['claude-sonnet-4-6', 3, 0.3, 15],
    ['claude-haiku-4-5', 1, 0.1, 5],
    ['claude-3-7-sonnet', 3, 0.3, 15],
    ['claude-3-5-haiku', 0.8, 0.08, 4],
    ['claude-3-haiku', 0.25, 0.03, 1.25],
  ]),
  ...listed('anthropic', LLM_PRICES, [
    ['claude-opus-5-5', 4, 0.2, 20],
    ['claude-sonnet-5', 2, 0.2, 10],
    ['claude-sonnet-4-5', 3, 0.3, 15, [200_000, 6, 0.6, 22.5]],
    ['claude-sonnet-4', 3, 0.3, 15, [200_000, 6, 0.6, 22.5]],
  ]),
  ...listed('anthropic', 'https://docs.rs/synaps/0.10.2/synaps_cli/pricing/index.html', [
    ['claude-haiku-5-5', 0.1, 0.01, 0.5, [100_000, 0.5, 0.05, 2.5]],
  ]),
  ...listed('google', LLM_PRICES, [
    ['gemini-3.5-flash', 1.5, 0.15, 9],
    ['gemini-3.5-flash-lite', 0.3, 0.03, 2.5],
    ['gemini-3.1-flash-lite-preview', 0.25, 0.025, 1.5],
    ['gemini-2.5-pro', 1.25, 0.125, 10, [200_000, 2.5, 0.25, 15]],
    ['gemini-2.5-flash', 0.3, 0.03, 2.5],
    ['gemini-2.5-flash-lite', 0.1, 0.01, 0.4],
  ]),
  ...listed('google', COPILOT, [['gemini-3.1-pro-preview', 2, 0.2, 12, [200_000, 4, 0.4, 18]]]),
];
