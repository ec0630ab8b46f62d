/**
 * How each error code is shown: its HTTP status, its names on the OpenAI surface, and what it means to the caller. The type
 * makes a code without a presentation a compile error; `docs/errors.md` and `schema/errors.json` are made from this table.
 */
import { limits } from '#core/limits';
import type { ErrorCode } from '#core/errors';

export interface Presentation {
  readonly status: number;
  /** Short, the same for every occurrence (RFC 9457 `title`). */
  readonly title: string;
  /** `error.type` and `error.code` of the OpenAI error body, in OpenAI's own words where it has some. */
  readonly openaiType: string;
  readonly openaiCode: string;
  /** What happened. */
  readonly meaning: string;
  /** What the caller does about it. */
  readonly action: string;
  /** Whether the same request may succeed when it is sent again. */
  readonly retry: boolean;
}

const caller = { openaiType: 'invalid_request_error', retry: false } as const;
const wait = { openaiType: 'rate_limit_error', retry: true } as const;
const upstream = { openaiType: 'upstream_error', retry: true } as const;
const unavailable = { openaiType: 'server_error', status: 503, retry: true } as const;

export const presentations: Readonly<Record<ErrorCode, Presentation>> = {
  bad_request: {
    ...caller,
    status: 400,
    title: 'Bad request',
    openaiCode: 'bad_request',
    meaning:
      'The request cannot be understood: its line, a header, its path or its query; or no deployment of the model can do what is asked.',
    action: 'Correct what the detail names.',
  },
  invalid_body: {
    ...caller,
    status: 400,
    title: 'Invalid body',
    openaiCode: 'invalid_body',
    meaning: `The body is not JSON, is nested deeper than ${limits.jsonDepthMax} levels or holds more than ${limits.jsonValuesMax} values; or a field is missing, of the wrong type or out of its bounds. All such fields are listed.`,
    action: 'Correct the fields that are named; /openapi.json holds the schema.',
  },
  body_too_large: {
    ...caller,
    status: 413,
    title: 'Body too large',
    openaiCode: 'body_too_large',
    meaning: 'The body has more bytes than this hub accepts.',
    action: 'Send less, or ask the operator to raise server.bodyBytesMax, or requestBytesMax of the external API.',
  },
  headers_too_large: {
    ...caller,
    status: 431,
    title: 'Headers too large',
    openaiCode: 'headers_too_large',
    meaning: 'The request line and headers together have more bytes than this hub accepts.',
    action: 'Send fewer or shorter headers.',
  },
  request_timeout: {
    ...caller,
    retry: true,
    status: 408,
    title: 'Request not received in time',
    openaiCode: 'request_timeout',
    meaning: 'The whole request did not arrive in time after its first byte.',
    action: 'Send it again, without pauses.',
  },
  unsupported_media_type: {
    ...caller,
    status: 415,
    title: 'Unsupported media type',
    openaiCode: 'unsupported_media_type',
    meaning: 'The body is not declared as plain application/json in UTF-8.',
    action: 'Send JSON with `content-type: application/json` and no content-encoding.',
  },
  unsupported_field: {
    ...caller,
    status: 400,
    title: 'Unsupported field',
    openaiCode: 'unsupported_parameter',
    meaning: 'The request holds a field that this operation, or the provider it goes to, does not know.',
    action: 'Leave the named field out. /v1 passes unknown fields on where the provider speaks the same form.',
  },
  unauthenticated: {
    status: 401,
    title: 'No valid API key',
    openaiType: 'authentication_error',
    openaiCode: 'invalid_api_key',
    retry: false,
    meaning: 'The request carries no API key, or one that is unknown or revoked.',
    action: 'Send `Authorization: Bearer rvk_…`. An operator makes keys with `revoagent keys create`.',
  },
  forbidden: {
    status: 403,
    title: 'Scope missing',
    openaiType: 'permission_error',
    openaiCode: 'insufficient_permissions',
    retry: false,
    meaning: 'The key is valid and lacks the scope that this operation asks for.',
    action: 'Use a key with the scope that the detail names.',
  },
  forbidden_origin: {
    status: 403,
    title: 'Foreign origin',
    openaiType: 'permission_error',
    openaiCode: 'forbidden_origin',
    retry: false,
    meaning: 'A hub without keys serves its own machine only; the Host, Origin or Sec-Fetch-Site header names another.',
    action: 'Call it as localhost, create a key, or list the host under server.allowedHosts.',
  },
  not_found: {
    ...caller,
    status: 404,
    title: 'Not found',
    openaiCode: 'not_found',
    meaning: 'There is no such path, or no such thing that this key may see.',
    action: 'Check the path and the id; /docs lists every operation.',
  },
  content_off: {
    ...caller,
    status: 404,
    title: 'Nothing kept',
    openaiCode: 'content_off',
    meaning: 'The route of the run keeps nothing of what is said.',
    action: 'Where it should, set `content` of the route to `redacted` or `full`; it holds for later runs.',
  },
  model_not_found: {
    ...caller,
    status: 404,
    title: 'Model not found',
    openaiCode: 'model_not_found',
    meaning: 'No route matches the model name.',
    action: 'Use a name that GET /v1/models lists.',
  },
  method_not_allowed: {
    ...caller,
    status: 405,
    title: 'Method not allowed',
    openaiCode: 'method_not_allowed',
    meaning: 'The path exists and does not know this method.',
    action: 'Use a method that the Allow header names.',
  },
  conflict: {
    ...caller,
    status: 409,
    title: 'Conflict',
    openaiCode: 'conflict',
    meaning: 'What the request asks for contradicts the present state.',
    action: 'Read the state again, then decide.',
  },
  version_changed: {
    ...caller,
    status: 412,
    title: 'Version changed',
    openaiCode: 'version_changed',
    meaning: 'The thing is no longer at the version that If-Match names: somebody changed it meanwhile.',
    action: 'Read it again, apply the change to what is there now, and send its new ETag.',
  },
  idempotency_key_in_use: {
    ...caller,
    status: 409,
    title: 'Idempotency key in use',
    openaiCode: 'idempotency_key_in_use',
    meaning: 'A request with this Idempotency-Key is still being served.',
    action: 'Wait as long as Retry-After says and send it again with the same key: it gets the same answer.',
    retry: true,
  },
  idempotency_key_reused: {
    ...caller,
    status: 422,
    title: 'Idempotency key reused',
    openaiCode: 'idempotency_key_reused',
    meaning: 'This Idempotency-Key belongs to a request with another body.',
    action: 'Use a new key for a new request.',
  },
  idempotency_answer_not_kept: {
    ...caller,
    status: 409,
    title: 'Answer not kept',
    openaiCode: 'idempotency_answer_not_kept',
    meaning:
      'The request with this Idempotency-Key was done, and its answer is no longer, or not here: answers are kept in the memory of the instance that gave them.',
    action: 'It was not done twice. Where the answer is needed, ask anew with a new key.',
  },
  not_cached: {
    ...caller,
    status: 504,
    title: 'Not cached',
    openaiCode: 'not_cached',
    meaning: 'The request is `only-if-cached`, and no answer is kept that it takes.',
    action: 'Nothing was asked of anybody. Where the answer is needed, ask without `only-if-cached`.',
  },
  context_length_exceeded: {
    ...caller,
    status: 400,
    title: 'Context length exceeded',
    openaiCode: 'context_length_exceeded',
    meaning: 'The model cannot take so many tokens.',
    action: 'Shorten the messages, or use a model with a longer context.',
  },
  guardrail_refused: {
    ...caller,
    status: 400,
    title: 'Refused by a guardrail',
    openaiCode: 'guardrail_refused',
    meaning: 'The guardrail of the route refused the request or its answer; the detail holds its reason.',
    action: 'Change what the reason names, or ask the operator.',
  },
  content_filtered: {
    ...caller,
    status: 400,
    title: 'Refused by a content filter',
    openaiCode: 'content_filter',
    meaning: 'The provider refused the content of the request.',
    action: 'Change the content; the provider’s own reason is in the error.',
  },
  upstream_rejected: {
    ...caller,
    status: 400,
    title: 'Rejected by the provider',
    openaiCode: 'upstream_rejected',
    meaning: 'The provider says that the request is wrong, for a reason that another provider would give too.',
    action: 'Correct what the provider’s own message names.',
  },
  cancelled: {
    ...caller,
    status: 499,
    title: 'Cancelled by the caller',
    openaiCode: 'cancelled',
    meaning: 'The caller closed the connection before the answer was whole; the upstream call was ended with it.',
    action: 'Nothing: seen only in logs, metrics and runs.',
  },
  rate_limited: {
    ...wait,
    status: 429,
    title: 'Rate limited',
    openaiCode: 'rate_limit_exceeded',
    meaning: 'The call is over a limit of its organisation, project, key, agent or route: the detail names which.',
    action:
      'Wait as long as Retry-After says. Without one no waiting helps: ask for less. GET /api/limits shows what is left.',
  },
  too_many_requests_in_flight: {
    ...wait,
    openaiType: 'server_error',
    status: 503,
    title: 'Too many requests in flight',
    openaiCode: 'too_many_requests_in_flight',
    meaning: 'This instance serves as many requests at once as it may; none was started for this one.',
    action: 'Wait as long as Retry-After says; start more instances if it lasts.',
  },
  instance_overloaded: {
    ...wait,
    openaiType: 'server_error',
    status: 503,
    title: 'Instance overloaded',
    openaiCode: 'instance_overloaded',
    meaning:
      'This instance has more to do than it can answer in time, or hardly any memory left; nothing was started for this request.',
    action: 'Wait as long as Retry-After says; start more instances if it lasts.',
  },
  upstream_rate_limited: {
    ...wait,
    status: 429,
    title: 'Rate limited by the provider',
    openaiCode: 'rate_limit_exceeded',
    meaning: 'Every provider that could answer is over its own limit.',
    action: 'Wait as long as Retry-After says, or add a deployment to the route.',
  },
  upstream_failed: {
    ...upstream,
    status: 502,
    title: 'The provider failed',
    openaiCode: 'upstream_failed',
    meaning: 'The provider answered with an error of its own, and nothing could stand in for it.',
    action: 'Send it again later, where it says so after Retry-After; the run tells each attempt.',
  },
  upstream_timeout: {
    ...upstream,
    status: 504,
    title: 'The provider was too slow',
    openaiCode: 'upstream_timeout',
    meaning: 'No connection, first token, next token or whole answer in time.',
    action: 'Send it again, or raise the timeouts of the route for a model that thinks for minutes.',
  },
  upstream_unreachable: {
    ...upstream,
    status: 502,
    title: 'The provider cannot be reached',
    openaiCode: 'upstream_unreachable',
    meaning: 'No connection to the provider: its name, its address, its certificate or the network.',
    action: 'Send it again later; the operator looks at baseUrl and the network.',
  },
  upstream_malformed: {
    ...upstream,
    status: 502,
    title: 'The provider’s answer is malformed',
    openaiCode: 'upstream_malformed',
    meaning: 'What came is not what the provider’s protocol says.',
    action: 'Send it again; the operator checks that baseUrl points at the API.',
  },
  upstream_cut: {
    ...upstream,
    status: 502,
    title: 'The provider’s answer was cut',
    openaiCode: 'upstream_cut',
    meaning: 'The answer ended before it was whole. What arrived of a stream is not a whole answer.',
    action: 'Send it again.',
  },
  upstream_credentials: {
    ...upstream,
    retry: false,
    status: 502,
    title: 'The provider refuses the hub’s credentials',
    openaiCode: 'upstream_credentials',
    meaning:
      'The key that the hub holds for this provider is wrong, spent or not entitled. It is not the caller’s key.',
    action: 'The operator corrects the provider’s apiKey.',
  },
  no_deployment_available: {
    ...unavailable,
    title: 'No deployment available',
    openaiCode: 'no_deployment_available',
    meaning: 'Every circuit of this route is open, and it has no last resort.',
    action: 'Wait as long as Retry-After says: then the next probe goes out.',
  },
  upstream_unavailable: {
    ...unavailable,
    title: 'Out of service',
    openaiCode: 'upstream_unavailable',
    meaning: 'The circuit of this external API is open: it failed again and again, and is left alone for a while.',
    action: 'Wait as long as Retry-After says: then the next probe goes out.',
  },
  overloaded: {
    ...unavailable,
    title: 'Overloaded',
    openaiCode: 'overloaded',
    meaning: 'The places for calls to this provider are all taken.',
    action: 'Wait as long as Retry-After says, or raise the bulkhead.',
  },
  draining: {
    ...unavailable,
    title: 'Shutting down',
    openaiCode: 'draining',
    meaning: 'This instance is leaving and ended what had not finished in time.',
    action: 'Send it again: another instance, or the next start, answers.',
  },
  guardrail_failed: {
    ...unavailable,
    title: 'Guardrail failed',
    openaiCode: 'guardrail_failed',
    meaning:
      'The guardrail of the route could not judge the request or its answer, and the route lets nothing through without it.',
    action: 'Try again; the operator finds guardrail-failed in the log.',
  },
  database_unavailable: {
    ...unavailable,
    title: 'Database unavailable',
    openaiCode: 'database_unavailable',
    meaning: 'The database did not answer in time, and this operation cannot do without it.',
    action: 'Send it again shortly. Chat goes on with keys that were seen lately.',
  },
  memory_unavailable: {
    ...unavailable,
    title: 'Memory unavailable',
    openaiCode: 'memory_unavailable',
    meaning: 'The memory system did not answer in time, and this operation cannot do without it.',
    action: 'Send it again shortly. Agents answer without their memory meanwhile, and say so.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    openaiType: 'server_error',
    openaiCode: 'internal',
    retry: true,
    meaning: 'The hub broke a promise of its own. The log holds the reason under the request id.',
    action: 'Report it with the x-request-id.',
  },
};
