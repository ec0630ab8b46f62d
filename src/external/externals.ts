/** All external APIs of a configuration, behind the port that transports see. */
import { CallerError, HubError } from '#core/errors';
import type { External, ExternalAnswer } from '#contract/external';
import type { ExternalParts } from './api.ts';
import { ExternalApi } from './api.ts';
import type { ExternalSettings } from './settings.ts';

export interface Externals extends External {
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Opens no connection. */
export function createExternals(given: Readonly<Record<string, ExternalSettings>>, parts: ExternalParts): Externals {
  const apis = new Map(Object.entries(given).map(([name, settings]) => [name, new ExternalApi(name, settings, parts)]));
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
    tell(`${Math.floor(answer.status / 100)}xx`);
    return answer;
  } catch (error) {
    tell(error instanceof HubError ? error.code : 'cancelled');
    throw error;
  }
}
