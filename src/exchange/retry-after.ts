/**
 * How long an upstream asks to be left alone. Reads `retry-after-ms` (OpenAI, Azure) and `Retry-After` in both forms of RFC 9110
 * section 10.2.3, seconds or an HTTP date. What to do with an hour is for the gateway; what nobody can mean is not read.
 */

type Header = string | string[] | undefined;

/** A longer wait is a mistake in the upstream's sum, such as a point in time where a duration belongs. */
const SAID_MS_MAX = 30 * 24 * 60 * 60 * 1_000;

/** Milliseconds, 0 to 30 days; undefined where the upstream said nothing that can be read. */
export function retryAfterMs(headers: Record<string, Header>, wallMs: number): number | undefined {
  const exact = Number.parseFloat(first(headers['retry-after-ms']) ?? '');
  if (isWait(exact)) return exact;
  const text = first(headers['retry-after'])?.trim();
  if (text === undefined || text === '') return undefined;
  const seconds = Number(text);
  const waitMs = Number.isNaN(seconds) ? Math.max(0, Date.parse(text) - wallMs) : seconds * 1000;
  return isWait(waitMs) ? waitMs : undefined;
}

function isWait(ms: number): boolean {
  return ms >= 0 && ms <= SAID_MS_MAX;
}

function first(value: Header): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
