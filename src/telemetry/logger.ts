/**
 * The log: JSON lines, or a form for people on a terminal. Entries are an event and flat fields; a field whose name sounds like a
 * secret or a prompt is replaced, so that a careless line leaks nothing. Writing never waits for the disk.
 */
import { pino } from 'pino';
import type { DestinationStream } from 'pino';
import type { Clock } from '#core/clock';
import type { LogFields, Logger } from '#contract/logger';

export interface LoggerOptions {
  readonly clock: Clock;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'pretty';
  readonly instance: string;
  /** Colours, where the format is pretty. */
  readonly colours: boolean;
  readonly destination: { write(text: string): void };
}

export interface AdjustableLogger extends Logger {
  setLevel(level: LoggerOptions['level']): void;
}

const FORBIDDEN = /authorization|api_?key|password|secret|token$|prompt$|content|messages|cookie/i;

/** Writes while the process does other things, many lines at once, and what is left when the process exits. */
export function standardError(): { write(text: string): void } {
  return pino.destination({ dest: 2, sync: false });
}

export function createLogger(options: LoggerOptions): AdjustableLogger {
  const { instance, destination } = options;
  const target: DestinationStream =
    options.format === 'pretty' ? { write: (line) => destination.write(pretty(line, options.colours)) } : destination;
  const log = pino(
    {
      level: options.level,
      base: { instance },
      messageKey: 'event',
      timestamp: timeOf(options.clock),
      formatters: { level: (label) => ({ level: label }) },
    },
    target,
  );
  return {
    debug: (event, fields) => log.debug(safe(fields), event),
    info: (event, fields) => log.info(safe(fields), event),
    warn: (event, fields) => log.warn(safe(fields), event),
    error: (event, fields, cause) =>
      log.error({ ...safe(fields), ...(cause === undefined ? {} : { err: cause }) }, event),
    setLevel(level) {
      log.level = level;
    },
  };
}

/** The same text for all lines of a millisecond: to write a date costs more than the rest of a line. */
function timeOf(clock: Clock): () => string {
  let lastMs = Number.NaN;
  let text = '';
  return () => {
    const nowMs = clock.wallMs();
    if (nowMs !== lastMs) {
      lastMs = nowMs;
      text = `,"time":"${new Date(nowMs).toISOString()}"`;
    }
    return text;
  };
}

function safe(fields: LogFields = {}): LogFields {
  for (const name in fields) {
    if (FORBIDDEN.test(name))
      return Object.fromEntries(
        Object.entries(fields).map(([key, value]) => [key, FORBIDDEN.test(key) ? '[redacted]' : value]),
      );
  }
  return fields;
}

const COLOURS: Readonly<Record<string, string>> = {
  debug: '\u001B[2m',
  info: '\u001B[36m',
  warn: '\u001B[33m',
  error: '\u001B[31m',
};

function pretty(line: string, colours: boolean): string {
  const entry: unknown = JSON.parse(line);
  if (typeof entry !== 'object' || entry === null) return line;
  const { level, time, event, instance, err, ...fields } = entry as Record<string, unknown>;
  void instance;
  const name = String(level).padEnd(5);
  const shown = colours ? `${COLOURS[String(level)] ?? ''}${name}\u001B[0m` : name;
  const rest = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${String(err.stack)}` : '';
  return `${String(time).slice(11, 23)} ${shown} ${String(event)}${rest.length === 0 ? '' : `  ${rest.join(' ')}`}${stack}\n`;
}
