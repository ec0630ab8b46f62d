/**
 * An error that is answered many times when there is least time for it: written once for each surface, so that an answer costs an id
 * and a write. Begins nothing and is not looked into: no key, no body, no trace.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '#core/clock';
import type { HubError } from '#core/errors';
import type { Surface } from '#contract/gateway';
import type { RefusalReason } from '#contract/load';
import { renderError } from './errors/render.ts';
import type { RenderedError } from './errors/render.ts';
import { SECURITY_HEADERS } from './request-context.ts';
import { untilTaken } from './waiting.ts';

/** Stands for the id in what is written beforehand; in no text of ours. */
const ID = '\u0000';

interface Written extends Omit<RenderedError, 'body'> {
  /** Between two parts stands the id. */
  readonly body: readonly string[];
}

export class Refusal {
  readonly reason: RefusalReason;
  readonly error: HubError;
  /** Whether it may be told later: what is short is time, and neither places nor memory, which a request that is held takes. */
  readonly isHeld: boolean;
  readonly #written: Readonly<Record<Surface, Written>>;

  constructor(reason: RefusalReason, error: HubError) {
    this.reason = reason;
    this.error = error;
    this.isHeld = reason === 'queue' || reason === 'event_loop';
    this.#written = { hub: write(error, 'hub'), openai: write(error, 'openai'), anthropic: write(error, 'anthropic') };
  }

  /** Answers with it, and with what else the caller's browser is to know. Returns the status. */
  send(
    outgoing: ServerResponse,
    surface: Surface,
    { requestId, more, clock }: { requestId: string; more: Readonly<Record<string, string>>; clock: Clock },
  ): number {
    const { status, headers, body } = this.#written[surface];
    const text = body.join(requestId);
    const named = surface === 'anthropic' ? { 'request-id': requestId, ...more } : more;
    const length = String(Buffer.byteLength(text));
    outgoing.writeHead(status, { ...headers, 'x-request-id': requestId, 'content-length': length, ...named });
    outgoing.end(text);
    untilTaken(outgoing, clock);
    return status;
  }
}

function write(error: HubError, surface: Surface): Written {
  const { status, headers, body } = renderError(error, surface, { requestId: ID, runId: null });
  return {
    status,
    headers: { ...SECURITY_HEADERS, ...headers },
    body: body.split(JSON.stringify(ID).slice(1, -1)),
  };
}
