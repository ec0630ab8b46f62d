/**
 * The memory system over its store: every call ends within its deadline, goes through a breaker of its own and says `memory_unavailable`
 * where it cannot serve. Embeddings have half of the deadline; without one, facts are kept and found by their words, which is counted.
 */
import type { CancelSignal } from '#core/cancel';
import type { Clock } from '#core/clock';
import { CallerError, messageOf, UnavailableError } from '#core/errors';
import { newId } from '#core/ids';
import { limits } from '#core/limits';
import { TooSlowError, within } from '#core/within';
import type { Guard } from '#contract/guard';
import type { Logger } from '#contract/logger';
import type { Embedding, Memory, MemoryStore } from '#contract/memory';
import type { MemoryFinished, Observer } from '#contract/observer';
import type { Embedder } from './embeddings.ts';

export interface MemoryParts {
  readonly store: MemoryStore;
  /** Null where none is configured: facts are found by words alone, and nothing is missing. */
  readonly embedder: Embedder | null;
  /** A call that `isMemoryFailure` is a failure of it. */
  readonly guard: Guard;
  readonly clock: Clock;
  readonly observer: Pick<Observer, 'memoryFinished'>;
  readonly logger: Logger;
  /** Milliseconds of one call, its embedding included. */
  readonly timeoutMs: number;
}

/** Whether the store could not serve, and not its caller. */
export function isMemoryFailure(error: unknown): boolean {
  return error instanceof UnavailableError || error instanceof TooSlowError;
}

interface Asked {
  readonly operation: MemoryFinished['operation'];
  readonly signal?: CancelSignal;
  /** What is embedded first. */
  readonly embed?: { readonly projectId: string; readonly text: string };
}

export function createMemory(parts: MemoryParts): Memory {
  const { store, clock } = parts;
  return {
    async remember({ projectId, scope, text, signal }) {
      const fact = factOf(text);
      return call(parts, { operation: 'remember', signal, embed: { projectId, text: fact } }, async (embedding) => {
        const createdWallMs = clock.wallMs();
        const memory = { id: newId('mem', createdWallMs), projectId, scope, text: fact, createdWallMs };
        await store.insert(memory, embedding);
        return memory;
      });
    },
    recall({ projectId, scopes, text, limit, signal }) {
      const query = text.slice(-limits.recallCharsMax).trim();
      return call(parts, { operation: 'recall', signal, embed: { projectId, text: query } }, (embedding) =>
        store.search(projectId, scopes, { text: query, embedding }, Math.min(limit, limits.recallRowsMax)),
      );
    },
    find: (projectId, id) => call(parts, { operation: 'find' }, () => store.find(projectId, id)),
    list: (projectId, page, filter) => call(parts, { operation: 'list' }, () => store.list(projectId, page, filter)),
    forget: (projectId, id) => call(parts, { operation: 'forget' }, () => store.delete(projectId, id)),
  };
}

async function call<T>(
  parts: MemoryParts,
  asked: Asked,
  serve: (embedding: Embedding | null) => Promise<T>,
): Promise<T> {
  const { guard, clock, observer, timeoutMs } = parts;
  const startedAt = clock.now();
  const signal = asked.signal ?? new AbortController().signal;
  let [failed, withoutVector] = [true, false];
  try {
    const embedding = asked.embed === undefined ? null : await embeddingOf(parts, asked.embed, signal);
    withoutVector = embedding === undefined;
    const restMs = timeoutMs - (clock.now() - startedAt);
    const result = await guard.run(() => within({ clock, limitMs: restMs, signal }, () => serve(embedding ?? null)));
    failed = false;
    return result;
  } catch (error) {
    if (!isMemoryFailure(error)) throw error;
    throw new UnavailableError('memory_unavailable', 'The memory does not answer just now. Try again in a moment.', {
      internal: `${asked.operation}: ${messageOf(error)}`,
      retryAfterMs: 1_000,
      cause: error,
    });
  } finally {
    const { operation } = asked;
    const outcome = signal.aborted ? 'cancelled' : failed ? 'failed' : 'ok';
    observer.memoryFinished({ operation, outcome, durationMs: clock.now() - startedAt, withoutVector });
  }
}

/** Null where nothing is to be embedded, undefined where it failed. */
async function embeddingOf(
  { embedder, clock, logger, timeoutMs }: MemoryParts,
  { projectId, text }: { readonly projectId: string; readonly text: string },
  signal: CancelSignal,
): Promise<Embedding | null | undefined> {
  if (embedder === null || text === '') return null;
  try {
    const [values] = await within({ clock, limitMs: timeoutMs / 2, signal }, (limit) =>
      embedder.embed(projectId, [text], limit),
    );
    return values === undefined ? undefined : { model: embedder.model, values };
  } catch (error) {
    if (signal.aborted) throw error;
    logger.warn('memory-without-embedding', { reason: messageOf(error) });
    return undefined;
  }
}

function factOf(text: string): string {
  const fact = text.trim();
  if (fact !== '' && fact.length <= limits.memoryCharsMax) return fact;
  const detail = `A fact has 1 to ${limits.memoryCharsMax} characters besides white space at its ends.`;
  throw new CallerError('bad_request', detail, { param: 'text' });
}
