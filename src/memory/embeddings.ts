/** Where embeddings come from, and facts that were kept without one: embedded later, a bounded batch at a time, so that they are found by meaning too. */
import type { CancelSignal } from '#core/cancel';
import type { Clock, Timer } from '#core/clock';
import { CallerError, HubError, messageOf } from '#core/errors';
import { within } from '#core/within';
import type { Guard } from '#contract/guard';
import type { Logger } from '#contract/logger';
import type { MemoryRecord, MemoryStore } from '#contract/memory';

export interface Embedder {
  /** What embeddings are compared by, besides their length. */
  readonly model: string;
  /** One vector a text, in their order. The project is whom it is accounted to. */
  embed(projectId: string, texts: readonly string[], signal: CancelSignal): Promise<readonly (readonly number[])[]>;
}

export interface LaterParts {
  readonly store: Pick<MemoryStore, 'takeToEmbed' | 'setEmbedding'>;
  readonly embedder: Embedder;
  readonly guard: Guard;
  readonly clock: Clock;
  readonly logger: Logger;
}

const EVERY_MS = 30_000;
const BATCH_ROWS = 32;
/** For one batch. */
const BATCH_MS = 60_000;
/**
 * What failed is tried again after as long as the fact is old, by whichever instance comes first: a model that is away for a while is asked
 * again soon, and a text that it never takes ever more seldom.
 */
const AGAIN = { leastMs: 300_000, mostMs: 6 * 3_600_000 };

/** Begins after half a minute, goes on while there is something, and looks again every half a minute. */
export function embedLater(parts: LaterParts): { stop(): void } {
  const { store, embedder, guard, clock, logger } = parts;
  const stopping = new AbortController();
  const { signal } = stopping;
  let timer: Timer;

  async function round(): Promise<void> {
    for (let taken = BATCH_ROWS; taken === BATCH_ROWS && !signal.aborted;) {
      const batch = await guard.run(() => store.takeToEmbed(embedder.model, clock.wallMs(), AGAIN, BATCH_ROWS));
      taken = batch.length;
      for (const facts of Map.groupBy(batch, ({ projectId }) => projectId).values()) await embedThem(facts);
    }
  }

  async function embedThem(facts: readonly MemoryRecord[]): Promise<void> {
    const [first] = facts;
    if (first === undefined) return;
    const texts = facts.map(({ text }) => text);
    try {
      const vectors = await within({ clock, limitMs: BATCH_MS, signal }, (limit) =>
        embedder.embed(first.projectId, texts, limit),
      );
      for (const [index, { projectId, id }] of facts.entries()) {
        const values = vectors[index];
        if (values !== undefined)
          await guard.run(() => store.setEmbedding(projectId, id, { model: embedder.model, values }));
      }
    } catch (error) {
      if (!isRefused(error)) throw error;
      // One text that the model does not take must not keep the others from it.
      if (facts.length > 1) for (const fact of facts) await embedThem([fact]);
      else logger.warn('memory-not-embedded', { memory: first.id, reason: messageOf(error) });
    }
  }

  function arm(): void {
    timer = clock.schedule(EVERY_MS, () => {
      round()
        .catch((error: unknown) => {
          if (!signal.aborted) logger.warn('memories-not-embedded', { reason: messageOf(error) });
        })
        .finally(() => {
          if (!signal.aborted) arm();
        });
    });
  }
  arm();
  return {
    stop() {
      stopping.abort(new Error('the hub ends'));
      timer.cancel();
    },
  };
}

/** Whether the text itself was refused, so that another one may pass. */
function isRefused(error: unknown): boolean {
  return error instanceof CallerError || (error instanceof HubError && error.code === 'upstream_rejected');
}
