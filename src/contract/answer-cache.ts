/** The cache of answers as the gateway and the external APIs see it: one factory call a key, shared by all who ask at the same time. */

import type { CancelSignal } from '#core/cancel';

export interface MakeContext {
  /** Aborted when nobody waits for the value any more, and when the cache closes; with the reason of who left last. */
  readonly signal: CancelSignal;
  /** A value past its time that may stand in, where there is one. */
  readonly stale: { readonly value: unknown; readonly ageMs: number } | undefined;
  /** Shown to all who wait in this process, now and later. */
  progress(value: unknown): void;
  /** What is returned goes to those who wait, and is not kept; it need be no JSON. */
  skip(): void;
}

export interface KeepOptions {
  /** Milliseconds. */
  readonly ttlMs: number;
  /** After that, for `MakeContext.stale`. Milliseconds. */
  readonly staleOnErrorMs: number;
  readonly tags: readonly string[];
  readonly signal: CancelSignal;
  readonly onProgress: (value: unknown) => void;
}

export interface AnswerCache {
  /** Rejects with the signal's reason, or where the cache is closed; never with what `make` throws, which is to return it. */
  getOrSet<T>(key: string, make: (context: MakeContext) => T | Promise<T>, options: KeepOptions): Promise<T>;
  /** The fresh value in this process's memory, or `undefined`. */
  peek(key: string): unknown;
  /** How old this process's copy is, in milliseconds; `undefined` where it has none. */
  ageMs(key: string): number | undefined;
  /** The next who asks has it made anew; the copy may still stand in for an upstream that fails. */
  expire(key: string): Promise<void>;
}
