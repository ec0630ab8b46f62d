/**
 * The instances that serve together. Each writes itself down where all can read it, again and again; one that no longer does is gone
 * within five seconds. Without a Redis for shared state an instance is alone, and knows it.
 */

export interface Instance {
  /** Its name in logs, metrics and `/health`. */
  readonly id: string;
  /** `http://host:port`, as it listens; with the machine's name where it listens on every address. */
  readonly address: string;
  readonly version: string;
  /** Requests it serves at once at most: `server.requestsInFlightMax`. */
  readonly capacity: number;
  /** It takes no new connections and ends when what is under way has ended. */
  readonly draining: boolean;
  /** Milliseconds since the epoch, by its own clock. */
  readonly startedWallMs: number;
}

/**
 * `alone`: no Redis is named for shared state. `shared`: the list is at most a few seconds old. `away`: Redis does not answer, and the
 * list is the last that was read.
 */
export type InstancesSource = 'alone' | 'shared' | 'away';

/** What a limit that is divided among the instances needs. Synchronous, from memory, never throws. */
export interface LiveInstances {
  /**
   * Those that live, this one included: 1 or more. While Redis is away the last number known, or more where the database knows of more; one
   * that is gone counts for some seconds yet.
   */
  liveInstances(): number;
}

/** Instances in the database, by its own clock. */
export interface InstanceStore {
  /** This one lives for `lifeMs` from now on. Returns how many live, this one included, and forgets those that do not. */
  beat(incarnation: string, lifeMs: number): Promise<number>;
  /** It ends. */
  leave(incarnation: string): Promise<void>;
}

export interface Instances extends LiveInstances {
  readonly self: string;
  readonly source: InstancesSource;
  /** This one first; the others by name. */
  list(): readonly Instance[];
}
