/**
 * Anything thrown, as a `HubError`. The framework's and the runtime's own codes get ours and are never shown; what nobody
 * foresaw becomes `internal`, and its text goes to the log only.
 */
import { CallerError, HubError, InvariantError, messageOf } from '#core/errors';

export function translateError(thrown: unknown): HubError {
  if (thrown instanceof HubError) return thrown;
  switch (codeOf(thrown)) {
    case 'FST_ERR_BAD_URL':
      return new CallerError(
        'bad_request',
        'The path holds a % that does not begin a valid UTF-8 escape. Encode it as %25.',
      );
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new CallerError('bad_request', 'A part of the path is longer than any id or name may be.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    // Of QUERY (RFC 10008), which no operation has.
    case 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE':
      return unsupportedMediaType();
    default:
      return new InvariantError(messageOf(thrown), { cause: thrown });
  }
}

export function unsupportedMediaType(): CallerError {
  return new CallerError(
    'unsupported_media_type',
    'The body must be JSON in UTF-8, sent with `content-type: application/json` and without a content-encoding.',
  );
}

/** A request so broken that the runtime gave it no handler. */
export function translateClientError(error: Error): HubError {
  switch (codeOf(error)) {
    case 'HPE_HEADER_OVERFLOW':
      return new CallerError(
        'headers_too_large',
        'The request line and headers are too long. Send fewer or shorter headers.',
      );
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new CallerError('body_too_large', 'The chunk extensions of the body are too long. Send none.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new CallerError(
        'request_timeout',
        'The request did not arrive whole in time. Send it again, without pauses.',
      );
    default:
      return new CallerError(
        'bad_request',
        'This is not a valid HTTP/1.1 request. Check the client and what lies between.',
      );
  }
}

function codeOf(thrown: unknown): string | undefined {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : undefined;
}
