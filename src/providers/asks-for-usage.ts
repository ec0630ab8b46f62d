/** Whether the caller of a stream wants to see what it used: `stream_options.include_usage`. */
import type { ChatRequest } from '#contract/chat';
import { isRecord } from '#dialects/json';

export function asksForUsage({ stream_options: options }: ChatRequest): boolean {
  return isRecord(options) && options['include_usage'] === true;
}
