/** All external APIs of a configuration, behind the port that transports see. */
import { CallerError } from '#core/errors';
import type { External } from '#contract/external';
import type { AnswerCache } from '#contract/answer-cache';
import type { ExternalParts } from './api.ts';
import { ExternalApi } from './api.ts';
import { CachedApi } from './cached-api.ts';
import type { ExternalSettings } from './settings.ts';

export interface Externals extends External {
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Opens no connection. */
export function createExternals(
  given: Readonly<Record<string, ExternalSettings>>,
  parts: ExternalParts & { readonly answers: AnswerCache },
): Externals {
  const apis = new Map(
    Object.entries(given).map(([name, settings]) => {
      const api = new ExternalApi(name, settings, parts);
      return [name, settings.cache === undefined ? api : new CachedApi(api, settings, settings.cache, parts)] as const;
    }),
  );
  return {
    list: () => [...apis.values()].map(({ status }) => status),
    async call(call) {
      const api = apis.get(call.name);
      if (api === undefined)
        throw new CallerError(
          'not_found',
          'There is no external API of this name. GET /api/external lists those there are.',
        );
      return api.call(call);
    },
    async close() {
      await Promise.all([...apis.values()].map((api) => api.close()));
    },
  };
}
