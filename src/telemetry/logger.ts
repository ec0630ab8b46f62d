/**
 * The log: JSON lines, or a form for people on a terminal. Entries are an event and flat fields; a field whose name sounds like a
 * secret or a prompt is replaced, so that a careless line leaks nothing.
 */
import { pino } from 'pino';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { LogFields, Logger } from '#contract/logger';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

export interface LoggerOptions {
  readonly clock: Clock;
  readonly level: Level;
  readonly format: 'json' | 'pretty';
  readonly instance: string;
  /** Colours, where the format is pretty. */
  readonly colours: boolean;
  readonly destination: { write(text: string): void };
}

export interface AdjustableLogger extends Logger {
  setLevel(level: Level): void;
}

const FORBIDDEN = /authorization|api_?key|password|secret|token$|prompt$|content|messages|cookie/i;

/** A line is put together here: it is written for every request, and a general library's costs ten times as much. */
export function createLogger(options: LoggerOptions): AdjustableLogger {
  const { colours, format, destination } = options;
  const time = timeOf(options.clock);
  const safe = redactor();
  const instance = JSON.stringify(options.instance);
  let threshold = LEVELS.indexOf(options.level);

  function log(level: Level, event: string, fields: LogFields | undefined, cause?: unknown): void {
    if (LEVELS.indexOf(level) < threshold) return;
    const rest = fields === undefined ? '}' : afterBrace(JSON.stringify(safe(fields)));
    const err = cause === undefined ? '' : `,"err":${described(cause)}`;
    const line = `{"level":"${level}","time":"${time()}","instance":${instance},"event":${JSON.stringify(event)}${err}${rest}\n`;
    destination.write(format === 'pretty' ? pretty(line, colours) : line);
  }

  return {
    debug: (event, fields) => log('debug', event, fields),
    info: (event, fields) => log('info', event, fields),
    warn: (event, fields) => log('warn', event, fields),
    error: (event, fields, cause) => log('error', event, fields, cause),
    setLevel(level) {
      threshold = LEVELS.indexOf(level);
    },
  };
}

/** What follows the opening brace of an object's JSON, to stand behind other fields. */
function afterBrace(json: string): string {
  return json === '{}' ? '}' : `,${json.slice(1)}`;
}

/**
 * Anything may be thrown; an error's own fields, its stack and its causes are what is wanted of it, as JSON. One whose fields are no JSON
 * (they lead back to it, or hold a bigint) is told without them: whoever logs a failure must not fail of it.
 */
function described(thrown: unknown): string {
  if (!(thrown instanceof Error)) return JSON.stringify(String(thrown));
  try {
    return JSON.stringify(pino.stdSerializers.err(thrown));
  } catch (unwritable) {
    const { name: type, message, stack } = thrown;
    return JSON.stringify({ type, message, stack, unwritable: messageOf(unwritable) });
  }
}

/** The same text for all lines of a millisecond: to write a date costs more than the rest of a line. */
function timeOf(clock: Clock): () => string {
  let lastMs = Number.NaN;
  let text = '';
  return () => {
    const nowMs = clock.wallMs();
    if (nowMs !== lastMs) {
      lastMs = nowMs;
      text = new Date(nowMs).toISOString();
    }
    return text;
  };
}

/** Names are the house's own, so that what is remembered of them is bounded. */
function redactor(): (fields: LogFields) => LogFields {
  const known = new Map<string, boolean>();

  function isForbidden(name: string): boolean {
    let forbidden = known.get(name);
    if (forbidden === undefined) {
      forbidden = FORBIDDEN.test(name);
      known.set(name, forbidden);
    }
    return forbidden;
  }

  return (fields) => {
    for (const name in fields) {
      if (isForbidden(name))
        return Object.fromEntries(
          Object.entries(fields).map(([key, value]) => [key, isForbidden(key) ? '[redacted]' : value]),
        );
    }
    return fields;
  };
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
  const [lists, others] = partitioned(fields);
  const rest = others.map(
    ([key, value]) => `${key}=${typeof value === 'string' ? plain(value) : JSON.stringify(value)}`,
  );
  const lines = lists.flatMap(([, list]) => list.map((item) => `\n  ${plain(String(item))}`)).join('');
  const stack =
    typeof err === 'object' && err !== null && 'stack' in err
      ? `\n${String(err.stack).split('\n').map(plain).join('\n')}`
      : '';
  return `${String(time).slice(11, 23)} ${shown} ${String(event)}${rest.length === 0 ? '' : `  ${rest.join(' ')}`}${lines}${stack}\n`;
}

/** A caller's model or an upstream's words may be in it: what would move the cursor, colour or begin another line is written out. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Lists apart from the rest: they stand on lines of their own. */
function partitioned(fields: Record<string, unknown>): [[string, unknown[]][], [string, unknown][]] {
  const lists: [string, unknown[]][] = [];
  const others: [string, unknown][] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (Array.isArray(value)) lists.push([key, value]);
    else others.push([key, value]);
  }
  return [lists, others];
}
