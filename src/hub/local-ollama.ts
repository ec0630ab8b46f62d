/**
 * Looks for an Ollama on this machine, before there is a hub: one question, briefly, to one address. Whatever stands in the way means
 * that there is none; an Ollama without a model counts as none, because it can answer nothing.
 */
import type { Clock } from '#core/clock';
import { systemClock } from '#core/clock';
import type { LocalOllama } from '#config/index';
import { askForModel } from './example-model.ts';

/** A server on the same machine answers within milliseconds; whoever has none should not notice that it was looked for. */
const WITHIN_MS = 300;

export async function findLocalOllama(baseUrl: string, clock: Clock = systemClock): Promise<LocalOllama | undefined> {
  const ollama = { name: 'ollama', kind: 'ollama', settings: { baseUrl } };
  const model = await askForModel(ollama, { withinMs: WITHIN_MS, clock });
  return model === undefined ? undefined : { baseUrl, model };
}
