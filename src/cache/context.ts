/** What a factory is given: its signal, the copy it may fall back to, and the say over how its value is kept. */
import type { Flight } from './flight.ts';
import { NEGATIVE_TTL_MS } from './options.ts';
import type { Lifetime } from './tier.ts';
import { checkTag } from './key.ts';

export class CacheFactoryError extends Error {
  override readonly name: string = 'CacheFactoryError';
}

export class FactoryTimeoutError extends CacheFactoryError {
  override readonly name = 'FactoryTimeoutError';
  readonly timeoutMs: number;

  constructor(key: string, timeoutMs: number) {
    super(`The factory of ${JSON.stringify(key)} gave no value within ${timeoutMs} ms (hardTimeoutMs)`);
    this.timeoutMs = timeoutMs;
  }
}

export interface FactoryContext {
  /** Aborts when no caller is left, after `hardTimeoutMs`, and when the cache closes. */
  readonly signal: AbortSignal;
  /** The value that is past its time, if one is left. */
  readonly stale: { readonly value: unknown; readonly ageMs: number } | undefined;
  /** Say it before reading what the tag stands for, or as soon as it is known: an invalidation since the start is minded either way. */
  tag(...tags: string[]): void;
  setTtl(lifetime: number | Partial<Lifetime>): void;
  /** How old the value is already, in milliseconds: `life` tells it with that. Its lifetime counts from now all the same. */
  setAge(ageMs: number): void;
  /** Shown to all who wait for the value in this process, now and later: a stream that they may follow until it is whole. */
  progress(value: unknown): void;
  /** `return context.notModified()`: the stale value, for another lifetime. Throws where there is none. */
  notModified(): never;
  /** The value goes to those who wait for it, and is not stored. */
  skip(): void;
  /** The value says that there is nothing: kept for 5 s unless told otherwise, and never served stale. */
  negative(ttlMs?: number): void;
  /** As if the upstream had failed: a stale copy is served where there is one. */
  fail(reason: string): never;
}

/** What a factory said besides its value. */
export interface Said {
  lifetime: Partial<Lifetime>;
  ageMs: number;
  stored: boolean;
}

/** Thrown by `notModified`, through the factory, to whoever runs it. */
export class NotModified extends CacheFactoryError {
  readonly value: unknown;

  constructor(value: unknown) {
    super('notModified() ends the factory: its exception is not to be caught');
    this.value = value;
  }
}

/** Its functions are made when they are asked for: most factories ask for none, and each stands without the context, as `({tag}) => …` needs. */
export class Context implements FactoryContext {
  readonly stale: FactoryContext['stale'];
  readonly #flight: Flight;
  readonly #said: Said = { lifetime: {}, ageMs: 0, stored: true };

  constructor(flight: Flight, stale: FactoryContext['stale']) {
    this.#flight = flight;
    this.stale = stale;
  }

  /** For whoever runs the factory, or wraps one. */
  static said(context: FactoryContext): Said {
    if (!(#said in context)) throw new TypeError('this context was made by no cache');
    return context.#said;
  }

  get signal(): AbortSignal {
    return this.#flight.signal;
  }

  get tag(): FactoryContext['tag'] {
    return (...tags) => {
      for (const tag of tags) this.#flight.addTag(checkTag(tag));
    };
  }

  get setTtl(): FactoryContext['setTtl'] {
    return (lifetime) => {
      const given = typeof lifetime === 'number' ? { ttlMs: lifetime } : lifetime;
      this.#said.lifetime = { ...this.#said.lifetime, ...given };
    };
  }

  get setAge(): FactoryContext['setAge'] {
    return (ageMs) => {
      if (!(ageMs >= 0 && ageMs <= Number.MAX_SAFE_INTEGER))
        throw new RangeError(`an age must be a number of milliseconds from 0 on; got ${ageMs}`);
      this.#said.ageMs = ageMs;
    };
  }

  get progress(): FactoryContext['progress'] {
    return (value) => this.#flight.tell(value);
  }

  get notModified(): FactoryContext['notModified'] {
    return () => {
      if (this.stale === undefined)
        throw new CacheFactoryError(`The factory of ${JSON.stringify(this.#flight.key)} has no stale value to keep`);
      throw new NotModified(this.stale.value);
    };
  }

  get skip(): FactoryContext['skip'] {
    return () => {
      this.#said.stored = false;
    };
  }

  get negative(): FactoryContext['negative'] {
    return (ttlMs = NEGATIVE_TTL_MS) => {
      this.#said.lifetime = { ttlMs, swrMs: 0, staleOnErrorMs: 0 };
    };
  }

  get fail(): FactoryContext['fail'] {
    return (reason) => {
      throw new CacheFactoryError(reason);
    };
  }
}
