/**
 * Google's errors, `{error: {code, message, status, details}}`, read for what the gateway needs to know: whose fault it was and how
 * long to wait. Shapes after https://ai.google.dev/gemini-api/docs/troubleshooting and google.rpc.Status.
 */
import { isRecord, parseJson } from '#dialects/json';
import { parseErrorBody } from '../openai-body.ts';
import type { ReadError } from '../upstream.ts';

export function parseGeminiError(bytes: Buffer): ReadError | undefined {
  const body = parseErrorBody(bytes);
  if (body === undefined) return undefined;
  const details = detailsOf(bytes);
  const reason = details.map((detail) => detail['reason']).find((each) => typeof each === 'string');
  // A key that Google does not know is a 400 there; it is the operator's affair, not the caller's.
  if (reason === 'API_KEY_INVALID' || reason === 'API_KEY_EXPIRED') return { ...body, code: reason, status: 401 };
  if (TOO_LONG.test(body.message)) return { ...body, code: 'context_length_exceeded' };
  const retryAfterMs = retryDelayMs(details);
  return retryAfterMs === undefined ? body : { ...body, retryAfterMs };
}

const TOO_LONG = /input token count .*exceeds the maximum number of tokens/i;

function detailsOf(bytes: Buffer): Record<string, unknown>[] {
  const value = parseJson(bytes.toString('utf8'));
  const holder: unknown = Array.isArray(value) ? value[0] : value;
  const error = isRecord(holder) ? holder['error'] : undefined;
  const details = isRecord(error) ? error['details'] : undefined;
  return Array.isArray(details) ? details.filter(isRecord) : [];
}

/** google.rpc.RetryInfo: a protobuf duration in JSON, as in "34.07s". */
function retryDelayMs(details: readonly Record<string, unknown>[]): number | undefined {
  for (const { retryDelay } of details) {
    const seconds = typeof retryDelay === 'string' ? /^(\d{1,6}(?:\.\d{1,9})?)s$/.exec(retryDelay)?.[1] : undefined;
    if (seconds !== undefined) return Math.ceil(Number(seconds) * 1000);
  }
  return undefined;
}
