/**
 * What an attempt cost: the upstream's own token counts times a price per million tokens, from the settings or else from the list
 * that comes with the hub. Sums are whole numbers throughout, rounded once, at the end. Where the tokens or the price are unknown
 * the cost is null: it is never guessed, and never 0 for want of knowing.
 */
import type { AttemptUsage } from '#contract/ledger';
import type { Deployment } from './deployment.ts';
import { priceList } from './price-list.ts';
import type { ListedPrice, Price, Vendor } from './price-list.ts';

/** By `provider/model`, or by a pattern that ends in `*`; the longest one that fits counts. */
export type PriceSettings = Readonly<Record<string, Price>>;

/** What an upstream says it used, in the form of chat completions or of embeddings. */
export interface StatedUsage {
  readonly [field: string]: unknown;
}

interface KnownPrice {
  readonly price: Price;
  readonly source: string;
  /** Undefined for a price of the settings, which holds whatever the caller asked for. */
  readonly listed: ListedPrice | undefined;
}

/** The list holds these vendors' own APIs; the same model elsewhere has another price. */
const VENDORS: Readonly<Record<string, Vendor>> = {
  'api.openai.com': 'openai',
  'api.anthropic.com': 'anthropic',
  'generativelanguage.googleapis.com': 'google',
};

/** A dated or numbered version of a listed model costs what the model does; any other name after it is another model. */
const VERSION = /^(?:-latest|-\d{3,4}|-\d{8}|-\d{4}-\d{2}-\d{2})?$/;
const MICRO = 1_000_000;

export class Prices {
  readonly #settings: PriceSettings;
  readonly #known = new WeakMap<Deployment, KnownPrice | { price: null }>();

  constructor(settings: PriceSettings) {
    this.#settings = settings;
  }

  /** `serviceTier` is the request's own field: the listed prices are those of the standard tier. */
  usageOf(deployment: Deployment, stated: StatedUsage | null | undefined, serviceTier: unknown): AttemptUsage {
    const promptTokens = countOf(stated?.['prompt_tokens']);
    const completionTokens = countOf(stated?.['completion_tokens']);
    const cachedTokens = cachedOf(stated?.['prompt_tokens_details']);
    const tokens = { promptTokens, completionTokens, cachedTokens };
    const known = promptTokens === null ? null : this.#priceOf(deployment);
    if (known === null || known.price === null) return { ...tokens, costMicroUsd: null, priceSource: null };
    const { listed } = known;
    const otherTier = listed !== undefined && (serviceTier === 'flex' || serviceTier === 'priority');
    const { longPrompt } = listed ?? {};
    const isLong = longPrompt !== undefined && (promptTokens ?? 0) > longPrompt.overTokens;
    const costMicroUsd = otherTier ? null : costOf(isLong ? longPrompt : known.price, tokens);
    return { ...tokens, costMicroUsd, priceSource: costMicroUsd === null ? null : known.source };
  }

  #priceOf(deployment: Deployment): KnownPrice | { price: null } {
    let known = this.#known.get(deployment);
    if (known === undefined) {
      known = this.#fromSettings(deployment.id) ?? fromList(deployment) ?? { price: null };
      this.#known.set(deployment, known);
    }
    return known;
  }

  #fromSettings(id: string): KnownPrice | undefined {
    let best: string | undefined;
    for (const pattern of Object.keys(this.#settings)) {
      const fits = pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : id === pattern;
      if (fits && (best === undefined || pattern.length > best.length || pattern === id)) best = pattern;
    }
    const price = best === undefined ? undefined : this.#settings[best];
    return price === undefined ? undefined : { price, source: 'settings', listed: undefined };
  }
}

function fromList({ provider, model }: Deployment): KnownPrice | undefined {
  const host = URL.parse(provider.address)?.host;
  const vendor = host === undefined ? undefined : VENDORS[host];
  let best: ListedPrice | undefined;
  for (const entry of priceList) {
    if (entry.vendor !== vendor || !model.startsWith(entry.model)) continue;
    if (VERSION.test(model.slice(entry.model.length)) && entry.model.length > (best?.model.length ?? 0)) best = entry;
  }
  return best === undefined ? undefined : { price: best, source: `${best.source} ${best.date}`, listed: best };
}

/** Tokens times millionths of a dollar a million tokens: whole numbers below 2^53 for anything a model can take. */
function costOf(
  { inputUsd, cachedInputUsd = inputUsd, outputUsd }: Price,
  { promptTokens, completionTokens, cachedTokens }: Omit<AttemptUsage, 'costMicroUsd' | 'priceSource'>,
): number | null {
  // What is not charged for need not be known: an embedding has no completion.
  if (promptTokens === null || (completionTokens === null && outputUsd > 0)) return null;
  const cached = Math.min(cachedTokens ?? 0, promptTokens);
  const parts =
    (promptTokens - cached) * Math.round(inputUsd * MICRO) +
    cached * Math.round(cachedInputUsd * MICRO) +
    (completionTokens ?? 0) * Math.round(outputUsd * MICRO);
  return Number.isSafeInteger(parts) ? Math.round(parts / MICRO) : null;
}

function cachedOf(details: unknown): number | null {
  return typeof details === 'object' && details !== null && 'cached_tokens' in details
    ? countOf(details.cached_tokens)
    : null;
}

/** An upstream's figure counts only where it is one. */
function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
