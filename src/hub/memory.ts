/**
 * The memory system for the hub: its breaker, its embeddings through the gateway, which accounts them to the project, and what embeds
 * later. A memory that is away has a circuit of its own: what it costs others is seen and ended apart from the database's.
 */
import type { Clock } from '#core/clock';
import { UnavailableError } from '#core/errors';
import { newId } from '#core/ids';
import type { Gateway } from '#contract/gateway';
import type { Logger } from '#contract/logger';
import type { Memory } from '#contract/memory';
import type { Observer } from '#contract/observer';
import type { Config } from '#config/index';
import { embedLater } from '#memory/embeddings';
import type { Embedder } from '#memory/embeddings';
import { createMemory, isMemoryFailure } from '#memory/memory';
import type { BreakerRegistry } from '#resilience/index';
import type { Storage } from '#storage/index';
import { createGuard, DEPENDENCY_BREAKER } from './breakers.ts';

export interface MemoryParts {
  readonly config: Config;
  readonly storage: Storage;
  readonly gateway: Pick<Gateway, 'embed'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: Observer;
  readonly breakers: BreakerRegistry;
}

export function openHubMemory(stack: AsyncDisposableStack, parts: MemoryParts): Memory {
  const { config, storage, clock, logger, observer, breakers } = parts;
  const { embeddingModel, timeoutMs } = config.memory;
  const store = storage.stores.memories;
  const guard = createGuard(breakers.get('memory', DEPENDENCY_BREAKER), isMemoryFailure);
  const embedder = embeddingModel === undefined ? null : embedderOf(embeddingModel, parts);
  if (embedder !== null) {
    const later = embedLater({ store, embedder, guard, clock, logger });
    stack.defer(() => later.stop());
  }
  return createMemory({ store, embedder, guard, clock, observer, logger, timeoutMs });
}

function embedderOf(model: string, { gateway, clock }: MemoryParts): Embedder {
  return {
    model,
    async embed(projectId, texts, signal) {
      const { body } = await gateway.embed({
        surface: 'hub',
        caller: { keyId: null, projectId, scopes: new Set(['chat']) },
        runId: newId('run', clock.wallMs()),
        request: { model, input: texts, encoding_format: 'float' },
        signal,
        receivedAt: clock.now(),
        traceparent: undefined,
      });
      const vectors = new Map(body.data.map(({ index, embedding }) => [index, embedding]));
      return texts.map((_, index) => {
        const vector = vectors.get(index);
        if (typeof vector === 'object') return vector;
        throw new UnavailableError('upstream_unavailable', 'The embedding model gave no vector for a text.');
      });
    },
  };
}
