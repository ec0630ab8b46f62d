/** All external APIs of a configuration, behind the port that transports see. */
import { CallerError, HubError } from '#core/errors';
import type { AnswerCache } from '#contract/answer-cache';
import type { External, ExternalAnswer } from '#contract/external';
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
      return observed(parts, call.name, () => api.call(call));
    },
    async close() {
      await Promise.all([...apis.values()].map((api) => api.close()));
    },
  };
}

async function observed(
  { clock, observer }: ExternalParts,
  api: string,
  ask: () => Promise<ExternalAnswer>,
): Promise<ExternalAnswer> {
  const startedAt = clock.now();
  const tell = (outcome: string): void =>
    observer.externalFinished({ api, outcome, durationMs: clock.now() - startedAt });
  try {
    const answer = await ask();
    const status = answer.cache?.status ?? 'miss';
    tell(status === 'miss' ? `${Math.floor(answer.status / 100)}xx` : 'cached');
    return answer;
  } catch (error) {
    tell(error instanceof HubError ? error.code : 'cancelled');
    throw error;
  }
}
