/** `docs/errors.md` and `schema/errors.json`: the presentation table for people and for machines. */
import { ERROR_CODES } from '#core/errors';
import { presentations } from './presentation.ts';

export function errorsJson(): string {
  const errors = ERROR_CODES.map((code) => ({ code, ...presentations[code] }));
  return `${JSON.stringify({ errors }, null, 2)}\n`;
}

export function errorsMarkdown(): string {
  const rows = ERROR_CODES.map((code) => {
    const { status, openaiType, openaiCode, meaning, action, retry } = presentations[code];
    return `| \`${code}\` | ${status} | \`${openaiType}\` / \`${openaiCode}\` | ${meaning} | ${action} | ${retry ? 'yes' : 'no'} |`;
  });
  return [
    '# Errors',
    '',
    'Generated from `src/http/errors/presentation.ts` by `npm run generate`; do not edit.',
    '',
    'Every error has one code. `/api` and `/health` show it as `code` in a problem+json body (RFC 9457), with all wrong fields under',
    '`errors`; `/v1` shows the OpenAI error body, so the official SDKs raise their own classes; a stream that has begun ends with an',
    'error event instead of `[DONE]`. Where it helps to wait, `Retry-After` (seconds) and `retry-after-ms` say how long; where it is in',
    'vain to send the same again, `x-should-retry: false` tells the official SDKs, which would do so by the status alone. Each answer',
    'carries `x-request-id`, which the log holds too; where a run began, `x-revoagent-run` leads to `GET /api/runs/{id}`.',
    'Counts by status and route are in `http_server_request_duration_seconds`.',
    '',
    '| code | status | `/v1` type / code | what happened | what to do | retry |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
