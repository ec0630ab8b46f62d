/**
 * One look-up or factory call that many callers share. It answers once: with the value, with a stale copy while the work goes
 * on, or with the error. A caller who leaves detaches only itself; when none remains, the work is aborted.
 */
import type { CallOptions, FillOptions } from './options.ts';

export class Flight {
  readonly key: string;
  readonly options: FillOptions;
  /** No tier beneath has to do with it. */
  readonly local: boolean;
  #tags: readonly string[] | undefined;
  /** Made when the factory names one: most name none. */
  #named: Set<string> | undefined;
  /** Memory's number from before anything was read that it may answer with. */
  since: number;
  readonly answer: Promise<unknown>;
  answered = false;
  /** It can answer nobody who comes now: it failed, or what it gave was for those who waited. */
  over = false;
  /** Made when it is first asked for: most flights abort nothing. */
  #controller: AbortController | undefined;
  #aborted: { reason: unknown } | undefined;
  #whenAborted: ((reason: unknown) => void) | undefined;
  #progress: { readonly value: unknown } | undefined;
  #listeners: Set<(progress: unknown) => void> | undefined;
  #waiting = 0;
  readonly #background: boolean;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    key: string,
    begin: {
      options: FillOptions;
      local: boolean;
      /** Each once. */
      tags: readonly string[];
      since: number;
      background: boolean;
    },
  ) {
    this.key = key;
    this.options = begin.options;
    this.local = begin.local;
    this.#tags = begin.tags;
    this.since = begin.since;
    this.#background = begin.background;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#aborted !== undefined;
  }

  abort(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#controller?.abort(reason);
    this.#whenAborted?.(reason);
    this.fail(reason);
  }

  /** Ends as the work does, or rejects when this is aborted: a factory that minds no signal holds nobody. Once a flight. */
  whileWanted(work: () => unknown): Promise<unknown> {
    if (this.#aborted !== undefined) return Promise.reject(this.#aborted.reason);
    return new Promise((resolve, reject) => {
      this.#whenAborted = reject;
      Promise.resolve(work()).then(resolve, reject);
    });
  }

  /** As far as they are known: the factory may add some. A list that was given out stays as it is. */
  get tags(): readonly string[] {
    return (this.#tags ??= [...(this.#named ?? [])]);
  }

  addTag(tag: string): void {
    this.#named ??= new Set(this.tags);
    if (this.#named.has(tag)) return;
    this.#named.add(tag);
    this.#tags = undefined;
  }

  /** The first answer counts. */
  resolve(value: unknown): void {
    this.answered = true;
    this.#resolve(value);
  }

  fail(reason: unknown): void {
    this.over ||= !this.answered;
    this.answered = true;
    // Every caller may have left; then there is nobody to tell.
    this.answer.catch(() => undefined);
    this.#reject(reason);
  }

  /** What the factory shows of its work before its value is there. */
  tell(progress: unknown): void {
    this.#progress = { value: progress };
    for (const listener of this.#listeners ?? []) listener(progress);
  }

  /** The latest at once, where there is one; then each as it comes. */
  listen(listener: (progress: unknown) => void): void {
    (this.#listeners ??= new Set()).add(listener);
    if (this.#progress !== undefined) listener(this.#progress.value);
  }

  join({ signal, onProgress }: Pick<CallOptions, 'signal' | 'onProgress'> = {}): Promise<unknown> {
    if (onProgress !== undefined && signal?.aborted !== true) this.listen(onProgress);
    if (signal === undefined) {
      this.#waiting++;
      return this.answer;
    }
    if (signal.aborted) return Promise.reject(signal.reason);
    this.#waiting++;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason);
        if (--this.#waiting === 0 && !this.#background) this.abort(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }
}
