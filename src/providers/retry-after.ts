/**
 * How long an upstream asks to be left alone. Reads `retry-after-ms` (OpenAI, Azure) and `Retry-After` in both forms of RFC 9110
 * section 10.2.3, seconds or an HTTP date. Not capped: what to do with an hour is for the gateway.
 */

type Header = string | string[] | undefined;

/** Milliseconds, never negative; undefined where the upstream said nothing that can be read. */
export function retryAfterMs(headers: Record<string, Header>, wallMs: number): number | undefined {
  const exact = Number.parseFloat(first(headers['retry-after-ms']) ?? '');
  if (exact >= 0) return exact;
  const text = first(headers['retry-after'])?.trim();
  if (text === undefined || text === '') return undefined;
  const seconds = Number(text);
  if (!Number.isNaN(seconds)) return seconds >= 0 ? seconds * 1000 : undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallMs);
}

function first(value: Header): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
