/** A server as a process, and one in a stack: how it is started, when it may be used, and how it is ended. */

export interface Server {
  readonly name: string;
  /** A program's file and its words. */
  readonly command: readonly [string, ...string[]];
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly user?: User | undefined;
  /** Its files, made or made again before each start. Throws with what stands in the way. */
  prepare?(): void;
  /** Whether it can be used; asked again and again while it starts. May reject. */
  isReady(signal: AbortSignal): Promise<boolean>;
  /** Milliseconds from its start until it must be ready. */
  readonly readyMs: number;
  readonly stopSignal: NodeJS.Signals;
  /** Milliseconds it gets to end by itself. */
  readonly stopMs: number;
}

/** Its name is unique in the stack: `postgres`, `hub-1`. */
export interface Part extends Server {
  /** What must be ready before this is started; it is ended before they are. */
  readonly needs: readonly string[];
  /** Milliseconds until what it needs is ended beside it, where it takes so long to end; without it, that waits. */
  readonly holdsMs?: number | undefined;
  /** Addresses it binds, `host:port`: looked at before it is started. */
  readonly binds: readonly string[];
  /** Whether it still works at all; where it does not for long, it is killed and started again. May reject. */
  isAlive?(signal: AbortSignal): Promise<boolean>;
  /** Files that it writes besides what it says, and the signal at which it opens them again. */
  readonly logs?: { readonly files: readonly string[]; readonly reopen: NodeJS.Signals };
  /** How it takes up other settings while it runs. */
  readonly reload?: {
    readonly signal: NodeJS.Signals;
    /** Writes what it reads then; whether that differs from what was there. Throws, with all as it was, where it would not take that. */
    rewrite(): boolean;
  };
  /** For people. */
  readonly shown?: { readonly what: string; readonly url: string } | undefined;
}

/** Whose process it is; PostgreSQL refuses to be root's. */
export interface User {
  readonly uid: number;
  readonly gid: number;
}

export type PartState = 'waiting' | 'starting' | 'ready' | 'crashed' | 'stopping' | 'stopped';

export interface PartStatus {
  readonly name: string;
  readonly state: PartState;
  readonly pid: number | null;
  readonly restarts: number;
  /** Milliseconds since it became ready; null where it is not. */
  readonly readyForMs: number | null;
  readonly shown: NonNullable<Part['shown']> | null;
}

/** What happened, for whoever watches. */
export interface StackEvent {
  readonly part: string;
  readonly what:
    | 'starting'
    | 'ready'
    | 'reloaded'
    | 'not reloaded'
    | 'crashed'
    | 'hung'
    | 'stopping'
    | 'stopped'
    | 'killed';
  readonly detail: string;
}
