/** The list of models that Google offers, as far as they chat or embed. After https://ai.google.dev/api/models. */
import type { Model } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { isRecord, parseJson } from '#dialects/json';

const METHODS: readonly unknown[] = ['generateContent', 'embedContent', 'batchEmbedContents'];

export function parseGeminiModels(bytes: Buffer): Model[] {
  const value = parseJson(bytes.toString('utf8'));
  const models = isRecord(value) ? value['models'] : undefined;
  if (!Array.isArray(models)) throw new UpstreamFailure('malformed', 'The upstream answered with no list of models.');
  return models.filter(isRecord).flatMap(({ name, supportedGenerationMethods: methods }) => {
    if (typeof name !== 'string' || !name.startsWith('models/')) return [];
    if (Array.isArray(methods) && !methods.some((method) => METHODS.includes(method))) return [];
    return [{ id: name.slice('models/'.length), object: 'model' as const, created: 0, owned_by: 'google' }];
  });
}
