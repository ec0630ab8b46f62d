/** The log as every room sees it: an event name, then fields. Fields never hold prompts, answers, keys or headers. */

/** A list is of lines that people read one by one. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined | readonly string[]>>;

export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  /** `cause` goes to the log with its stack. */
  error(event: string, fields?: LogFields, cause?: unknown): void;
}
