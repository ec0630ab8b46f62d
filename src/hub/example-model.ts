/**
 * A model to show to a person in a command that works as it is: the upstream itself is asked for its list, before there is a hub, by one
 * question and briefly. Whatever stands in the way means that none is known: a name that the server may not have is no example.
 */
import type { Clock } from '#core/clock';
import { systemClock } from '#core/clock';
import { systemRandom } from '#core/random';
import type { Config, Discovered } from '#config/index';
import { UpstreamFailure } from '#contract/provider';
import { createProvider } from '#providers/index';

/** Whoever starts a hub waits for it: a server elsewhere answers within this, or there is no example of it. */
const WITHIN_MS = 1_000;
/** Names of models that answer no chat. */
const NO_CHAT = /embed|rerank|whisper|tts/;

/** What was found, the first of it with a model of its own where it tells one in time. Asks nobody where one is known. */
export async function withExample(
  { providers }: Pick<Config, 'providers'>,
  discovered: readonly Discovered[],
  clock: Clock = systemClock,
): Promise<readonly Discovered[]> {
  const [first, ...rest] = discovered;
  const upstream = first === undefined ? undefined : providers[first.provider];
  if (first === undefined || first.model !== undefined || upstream === undefined) return discovered;
  const asked = { name: first.provider, ...upstream };
  const model = await askForModel(asked, { withinMs: WITHIN_MS, clock });
  return model === undefined ? discovered : [{ ...first, model }, ...rest];
}

/** One that the upstream lists; undefined where it lists none, or says nothing within `withinMs`. */
export async function askForModel(
  upstream: { readonly name: string; readonly kind: string; readonly settings: Readonly<Record<string, unknown>> },
  { withinMs, clock }: { readonly withinMs: number; readonly clock: Clock },
): Promise<string | undefined> {
  const { name, kind, settings } = upstream;
  const provider = createProvider(kind, settings, { name, clock, random: systemRandom });
  const late = new AbortController();
  const timer = clock.schedule(withinMs, () => late.abort(), true);
  try {
    const models = await provider.models(late.signal);
    // The name is shown in a command to be copied: one with other characters in it is no example.
    const names = models.map(({ id }) => id).filter((id) => /^[\w./:-]+$/.test(id));
    return names.find((each) => !NO_CHAT.test(each)) ?? names[0];
  } catch (error) {
    if (error instanceof UpstreamFailure || late.signal.aborted) return undefined;
    throw error;
  } finally {
    timer.cancel();
    await provider.close();
  }
}
