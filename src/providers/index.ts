/** Every provider kind there is. A kind that is not in this list does not exist: nothing is found by itself. */
import type { Provider, ProviderContext, ProviderKind } from '#contract/provider';
import { anthropic } from './anthropic.ts';
import { azureOpenai } from './azure-openai.ts';
import { gemini } from './gemini.ts';
import { ollama } from './ollama.ts';
import { openaiCompatible } from './openai-compatible.ts';
import { simulator } from './simulator.ts';

export const providerKinds = [
  openaiCompatible,
  azureOpenai,
  anthropic,
  gemini,
  ollama,
  simulator,
] as const satisfies readonly ProviderKind[];

/** Makes a provider of the named kind. `settings` must have passed that kind's schema; throws on a kind that is not listed. */
export function createProvider(kind: string, settings: unknown, context: ProviderContext): Provider {
  const found: ProviderKind | undefined = providerKinds.find((each) => each.kind === kind);
  if (found === undefined) {
    throw new Error(
      `There is no provider kind "${kind}"; there are: ${providerKinds.map((each) => each.kind).join(', ')}.`,
    );
  }
  return found.create(settings as never, context);
}
