/** What the balancer itself says, in the form of the surface that was asked: OpenAI's, Anthropic's, or problem+json. */

interface BalancerError {
  /** nginx's own codes included: 494 headers too large, 497 plain HTTP on the TLS port. None: where another says so. */
  readonly on: readonly number[];
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly openaiType: string;
  readonly anthropicType: string;
  readonly retryAfterS?: number;
  /** Which of the others it is then, by a variable that is empty or "0" where it is not. */
  readonly unless?: { readonly variable: string; readonly error: BalancerError };
}

const caller = { openaiType: 'invalid_request_error', anthropicType: 'invalid_request_error' } as const;
const unavailable = { openaiType: 'server_error', anthropicType: 'api_error', retryAfterS: 1 } as const;

const OVERLOADED: BalancerError = {
  on: [],
  status: 503,
  code: 'instance_overloaded',
  title: 'All instances are busy',
  detail: 'Every instance that answers has as many requests as it may have at once. Wait as long as Retry-After says.',
  ...unavailable,
  anthropicType: 'overloaded_error',
};

const ERRORS: readonly BalancerError[] = [
  {
    on: [400, 495, 496, 497],
    status: 400,
    code: 'bad_request',
    title: 'Bad request',
    detail: 'The balancer cannot read the request: its line, a header, or plain HTTP where TLS is spoken.',
    ...caller,
  },
  {
    on: [403, 404, 405],
    status: 404,
    code: 'not_found',
    title: 'Not found',
    detail: 'The balancer does not serve this path.',
    ...caller,
    anthropicType: 'not_found_error',
  },
  {
    on: [408],
    status: 408,
    code: 'request_timeout',
    title: 'Request not received in time',
    detail: 'The request did not arrive in time. Send it again, without pauses.',
    ...caller,
  },
  {
    on: [413],
    status: 413,
    code: 'body_too_large',
    title: 'Body too large',
    detail: 'The body has more bytes than the balancer accepts.',
    ...caller,
    anthropicType: 'request_too_large',
  },
  {
    on: [414, 431, 494],
    status: 431,
    code: 'headers_too_large',
    title: 'Headers too large',
    detail: 'The request line and headers have more bytes than the balancer accepts.',
    ...caller,
  },
  {
    on: [429],
    status: 429,
    code: 'rate_limited',
    title: 'Rate limited',
    detail: 'Too many requests or connections from this address. Wait as long as Retry-After says.',
    openaiType: 'rate_limit_error',
    anthropicType: 'rate_limit_error',
    retryAfterS: 1,
  },
  {
    on: [500, 502, 503],
    status: 502,
    code: 'instance_unavailable',
    title: 'No instance answered',
    detail:
      'No instance of the hub answered, or the one that did ended in the middle. A POST may have been carried out.',
    ...unavailable,
    unless: { variable: '$is_overloaded', error: OVERLOADED },
  },
  {
    on: [504],
    status: 504,
    code: 'instance_timeout',
    title: 'Instance too slow',
    detail: 'The instance did not answer in time. The request may have been carried out.',
    ...unavailable,
  },
];

/** A variable a kind of error, by the surface; request ids hold nothing that JSON would have to escape. */
export function errorMaps(): string {
  return [...ERRORS, OVERLOADED]
    .map((error) => {
      const { status, code, title, detail, openaiType, anthropicType } = error;
      const problem = { type: 'about:blank', title, status, detail, code, requestId: '$asked_id' };
      const openai = { error: { message: detail, type: openaiType, param: null, code } };
      const anthropic = { type: 'error', error: { type: anthropicType, message: detail }, request_id: '$asked_id' };
      return `map $uri $said_${code} {
  "~^/v1/messages" '${JSON.stringify(anthropic)}';
  "~^/v1(/|$)" '${JSON.stringify(openai)}';
  default '${JSON.stringify(problem)}';
}`;
    })
    .join('\n');
}

/** `headers`: statements that every answer needs; a location with headers of its own inherits none. */
export function errorLocations(headers: string): string {
  return ERRORS.map((error) => {
    const { on, code, retryAfterS, unless } = error;
    const lines = [
      'internal;',
      'default_type application/json;',
      'add_header X-Request-Id $asked_id always;',
      ...(headers === '' ? [] : [headers]),
      ...(retryAfterS === undefined ? [] : [`add_header Retry-After ${retryAfterS} always;`]),
      ...(unless === undefined ? [] : [`if (${unless.variable}) { ${answer(unless.error)} }`]),
      answer(error),
    ];
    return `error_page ${on.join(' ')} = @${code};
location @${code} {
${lines.map((line) => `  ${line}`).join('\n')}
}`;
  }).join('\n');
}

function answer({ status, code }: BalancerError): string {
  return `return ${status} $said_${code};`;
}
