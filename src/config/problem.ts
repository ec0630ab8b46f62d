/** What is wrong with a configuration: all of it at once, each with its place and what to do. */

export interface Problem {
  /** `server.port`; empty for the file as a whole. */
  readonly path: string;
  /** `revoagent.yaml:12`, `env REVOAGENT_PORT`, `flag --port`; empty where it came from nowhere. */
  readonly origin: string;
  readonly message: string;
}

export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const ordered = problems.toSorted((a, b) => lineNumber(a) - lineNumber(b));
    super(ordered.map(lineOf).join('\n'));
    this.name = 'ConfigError';
    this.problems = ordered;
  }
}

/** In the order of the file; what came from elsewhere stands after it. */
function lineNumber({ origin }: Problem): number {
  return Number(/:(\d+)$/.exec(origin)?.[1] ?? Number.MAX_SAFE_INTEGER);
}

export function lineOf({ path, origin, message }: Problem): string {
  return [origin, path, message].filter((part) => part !== '').join(': ');
}
