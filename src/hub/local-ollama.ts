/**
 * Looks for an Ollama on this machine, before there is a hub: one question, briefly, to one address. Whatever stands in the way means
 * that there is none; an Ollama without a model counts as none, because it can answer nothing.
 */
import type { Clock } from '#core/clock';
import { systemClock } from '#core/clock';
import { systemRandom } from '#core/random';
import type { LocalOllama } from '#config/index';
import { UpstreamFailure } from '#contract/provider';
import { createProvider } from '#providers/index';

/** A server on the same machine answers within milliseconds; whoever has none should not notice that it was looked for. */
const WITHIN_MS = 300;

export async function findLocalOllama(baseUrl: string, clock: Clock = systemClock): Promise<LocalOllama | undefined> {
  const provider = createProvider('ollama', { baseUrl }, { name: 'ollama', clock, random: systemRandom });
  const late = new AbortController();
  const timer = clock.schedule(WITHIN_MS, () => late.abort(), true);
  try {
    const models = await provider.models(late.signal);
    // The name is shown in a command to be copied: one with other characters in it is no example.
    const names = models.map(({ id }) => id).filter((id) => /^[\w./:-]+$/.test(id));
    const model = names.find((name) => !name.includes('embed')) ?? names[0];
    return model === undefined ? undefined : { baseUrl, model };
  } catch (error) {
    if (error instanceof UpstreamFailure || late.signal.aborted) return undefined;
    throw error;
  } finally {
    timer.cancel();
    await provider.close();
  }
}
