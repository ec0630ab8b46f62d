/**
 * Prices of well-known models at their vendors' own APIs, standard tier, in US dollars a million tokens. Every line was read on the page
 * it names, on its date; a model that is not here has no price. Vendors change prices without notice: the settings override any line.
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
  /** When the page was read, or its date where a copy was read. */
  readonly date: string;
}

export const priceList: readonly ListedPrice[] = [];
