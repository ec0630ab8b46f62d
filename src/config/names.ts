/** Names in the configuration that lead nowhere: a price that never counts, a model that nobody serves. */
import { unknownKey } from './check.ts';
import { escapePointer } from './file.ts';

interface Names {
  readonly providers: readonly string[];
  readonly routes: readonly string[];
  readonly prices: readonly string[];
  /** As it was written, whatever that is. */
  readonly embeddingModel: unknown;
}

/** What is wrong, by pointer. */
export function* nameProblems({
  providers,
  routes,
  prices,
  embeddingModel,
}: Names): Generator<[pointer: string, message: string]> {
  for (const name of prices) {
    const [provider = ''] = name.split('/');
    if (!providers.includes(provider) && !provider.endsWith('*'))
      yield [
        `/prices/${escapePointer(name)}`,
        `has a provider, "${provider}", that ${unknownKey(provider, providers)}`,
      ];
  }
  if (typeof embeddingModel !== 'string') return;
  const isServed =
    providers.includes(embeddingModel.split('/')[0] ?? '') ||
    routes.some(
      (name) => name === embeddingModel || (name.endsWith('*') && embeddingModel.startsWith(name.slice(0, -1))),
    );
  if (!isServed) yield ['/memory/embeddingModel', `"${embeddingModel}" ${unknownKey(embeddingModel, routes)}`];
}
