/** What differs between two configurations, and which differences a running hub cannot take up. */
import { isDeepStrictEqual } from 'node:util';
import { Secret } from '#core/secret';
import { asWritten } from './schema.ts';
import type { Config } from './schema.ts';

export interface Changes {
  /** Dotted paths whose value differs. */
  readonly changed: readonly string[];
  /** Those among them that need a restart. */
  readonly needRestart: readonly string[];
}

/** Taken up when the process starts; a breaker keeps its settings as it keeps its state. All else at once: a test knows each key. */
const NEED_RESTART = [
  'server',
  'storage',
  'security',
  'memory',
  'redis',
  'cache.memoryBytesMax',
  'cache.database',
  'cache.waitMs',
  'telemetry',
  'logging.format',
  'resilience.breaker',
  'resilience.sharedEvidence',
];
/** Among them, but asked for when it is needed. */
const AT_ONCE = 'server.shutdownGraceMs';
const BREAKER_OF_EXTERNAL = /^external\..+\.breaker(\.|$)/;

export function changesBetween(before: Config, after: Config): Changes {
  const changed: string[] = [];
  compare(asWritten(before), asWritten(after), '', changed);
  return {
    changed,
    needRestart: changed.filter(needsRestart),
  };
}

function needsRestart(path: string): boolean {
  if (path === AT_ONCE) return false;
  return NEED_RESTART.some((part) => path === part || path.startsWith(`${part}.`)) || BREAKER_OF_EXTERNAL.test(path);
}

function compare(before: unknown, after: unknown, path: string, changed: string[]): void {
  if (isRecord(before) && isRecord(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(before[key], after[key], path === '' ? key : `${path}.${key}`, changed);
    }
  } else if (!isDeepStrictEqual(revealed(before), revealed(after))) changed.push(path);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Secret);
}

/** Two secrets look alike; their values decide. */
function revealed(value: unknown): unknown {
  return value instanceof Secret ? value.reveal() : value;
}
