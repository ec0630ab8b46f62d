/** One attempt at an external API, as a stream: the head of its answer, if it may pass on, then its body up to the bound. */
import type { Clock } from '#core/clock';
import { limits } from '#core/limits';
import { UpstreamFailure } from '#contract/provider';
import type { Connections, Exchange, ExchangeRequest } from '#exchange/connections';
import { retryAfterMs } from '#exchange/retry-after';
import { RefusedError } from './failures.ts';
import type { Head } from './headers.ts';

export type Part = Head | Buffer;

export interface Bounds {
  readonly responseBytesMax: number;
  readonly clock: Clock;
}

/** Throws `RefusedError` for 408, 429 and 5xx, `UpstreamFailure`, or the signal's reason. Left early, it destroys the exchange. */
export async function* attempt(
  connections: Connections,
  request: ExchangeRequest,
  { responseBytesMax, clock }: Bounds,
): AsyncGenerator<Part> {
  const exchange = await connections.open(request);
  try {
    const { status, headers } = exchange;
    if (status >= 500 || status === 408 || status === 429) throw await refusal(exchange, clock);
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity')
      throw new UpstreamFailure('malformed', 'The target compressed its answer, which it was not asked to do.', {
        status,
      });
    // The length of an answer to HEAD is that of a body which does not come.
    if (request.method !== 'HEAD' && Number(headers['content-length'] ?? 0) > responseBytesMax)
      throw oversize(responseBytesMax, status);
    yield exchange;
    let byteCount = 0;
    for (let bytes = await exchange.read(); bytes !== null; bytes = await exchange.read()) {
      byteCount += bytes.length;
      if (byteCount > responseBytesMax) throw oversize(responseBytesMax, status);
      yield bytes;
    }
  } finally {
    exchange.destroy();
  }
}

async function refusal(exchange: Exchange, clock: Clock): Promise<RefusedError> {
  const { status, headers } = exchange;
  const waitMs = retryAfterMs(headers, clock.wallMs()) ?? 0;
  if (status < 500)
    return new RefusedError(status, waitMs, {
      head: exchange,
      bytes: await exchange.readAll(limits.errorBodyBytesMax),
    });
  // Read so that the connection can be kept; what an API says of its own failure is nothing a caller could act on.
  await exchange.readSome(limits.errorBodyBytesMax);
  return new RefusedError(status, waitMs, undefined);
}

function oversize(bytesMax: number, status: number): UpstreamFailure {
  return new UpstreamFailure('oversize', `The target's answer is larger than ${bytesMax} bytes.`, { status });
}
