/**
 * The one path that every request takes: admit, recognise the caller, read the body, check, handle, answer. Transport only:
 * what an operation does is in `routes/`. The framework routes; reading bodies and writing responses is ours, because limits,
 * errors and streams are to be exact and the way to a chat answer short.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CallerError } from '#core/errors';
import type { LoadGate } from '#contract/load';
import type { Observer } from '#contract/observer';
import type { SocketObserver } from '#contract/socket-observer';
import type { Tracing } from '#contract/tracing';
import { readJsonBody } from './body.ts';
import { Gate, priorityOf } from './admission.ts';
import type { Admission, QueueSettings } from './admission.ts';
import { Compressor, Precompressed } from './compression.ts';
import type { Connections } from './connections.ts';
import { answeredPreflight, originHeaders } from './cors.ts';
import { renderError } from './errors/render.ts';
import { translateError } from './errors/translate.ts';
import { authenticate, checkOrigin } from './guard.ts';
import type { Access } from './guard.ts';
import { claimOf, isRepeatable, Recording } from './idempotency.ts';
import { KnownBodies } from './known-bodies.ts';
import type { ReadBody } from './known-bodies.ts';
import type { Answer } from './answer.ts';
import type { Operation, Ports, RawInput, Services } from './operation.ts';
import { operationsAt, publicPath } from './paths.ts';
import { RequestContext, requestIdOf, surfaceOf } from './request-context.ts';
import { createTracer } from './trace.ts';
import { unservedWords } from './unserved.ts';
import type { WebSocketSettings } from './websocket/settings.ts';

export interface HttpSettings {
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  /** From the first byte of a request to the last of its body. */
  readonly requestReceiveMs: number;
  readonly requestsInFlightMax: number;
  readonly loadShedding: QueueSettings;
  /** Whole answers of so many bytes are compressed for callers who accept it; 0: none is. */
  readonly compressBytesMin: number;
  /** Origins (`https://app.example`) whose pages may call. */
  readonly corsOrigins: readonly string[];
  /** Names besides loopback that a hub without keys may be called by. */
  readonly allowedHosts: readonly string[];
  readonly webSocket: WebSocketSettings;
  readonly version: string;
  /** The instance's name, by which a balancer sends a socket back to it. */
  readonly instance: string;
}

export interface HttpDeps extends Ports {
  /** Whether no key exists: then this machine alone is served, without one. */
  readonly keyless: () => boolean;
  readonly load: LoadGate;
  readonly observer: Observer;
  readonly sockets: SocketObserver;
  /** Left out where no trace is exported. */
  readonly tracing?: Tracing | undefined;
  readonly settings: HttpSettings;
}

const NO_HEADERS = {};
const NO_BODY: ReadBody = { value: undefined, isKnown: false };

export class Pipeline {
  readonly #deps: HttpDeps & Services;
  readonly #connections: Connections;
  readonly #operations: readonly Operation[];
  readonly #trace: ReturnType<typeof createTracer>;
  readonly #compressor: Compressor;
  readonly #gate: Gate;
  readonly #bodies = new KnownBodies();
  readonly #local = new WeakSet<IncomingMessage>();

  constructor(deps: HttpDeps & Services, connections: Connections, operations: readonly Operation[]) {
    this.#deps = deps;
    this.#connections = connections;
    this.#compressor = new Compressor(deps.settings.compressBytesMin);
    this.#operations = operations;
    this.#trace = createTracer(deps.tracing?.samples);
    this.#gate = new Gate(deps);
  }

  /** Whoever is held before he is sent away is answered now. */
  beginDrain(): void {
    this.#gate.turns.release();
  }

  /** This request came by the local socket. */
  markLocal(incoming: IncomingMessage): void {
    this.#local.add(incoming);
  }

  isLocal(incoming: IncomingMessage): boolean {
    return this.#local.has(incoming);
  }

  /** A handler for one operation; its validators are compiled here. */
  serve(operation: Operation): (incoming: IncomingMessage, outgoing: ServerResponse, input: RawInput) => void {
    const run = operation.prepare(this.#deps);
    const { keys, keyless } = this.#deps;
    const route = publicPath(operation.path);
    const admission = priorityOf(operation);
    const answer = async (context: RequestContext, { params, query }: RawInput): Promise<void> => {
      // While it waited for its turn.
      if (context.abortedFor !== undefined) return this.fail(context, context.abortedFor);
      try {
        this.check(context, operation.access);
        const known = authenticate(context, operation.access, keys, keyless());
        context.caller = known instanceof Promise ? await known : known;
        const read = operation.body === undefined ? NO_BODY : await this.#bodyOf(context, operation);
        const input = { params, query, body: read.value, isBodyKnown: read.isKnown };
        if (
          operation.idempotent !== undefined &&
          isRepeatable(context) &&
          (await this.#replayed(context, operation, input))
        )
          return;
        const sending = this.#send(context, await run(input, context));
        if (context.isFromCache) this.#bodies.answered(read);
        if (sending !== undefined) await sending;
      } catch (thrown) {
        this.fail(context, thrown);
      } finally {
        if (context.recording !== null)
          await context.recording.close().catch((thrown: unknown) => this.#unsettled(context, thrown));
      }
    };
    const { turns } = this.#gate;
    const waits = admission === 'new' || admission === 'continuing';
    return (incoming, outgoing, input) => {
      if (this.turnedAway(incoming, outgoing, route, admission)) return;
      const context = this.begin(incoming, outgoing, route);
      if (!waits || context.local || turns.isFree()) void answer(context, input);
      else turns.wait(() => void answer(context, input));
    };
  }

  /**
   * Whether there is more to do than can be done, and the request is answered so. Keeps nothing of it but a count: there are most
   * of these when there is least time.
   */
  turnedAway(incoming: IncomingMessage, outgoing: ServerResponse, route: string, admission: Admission): boolean {
    if (admission === 'always') return false;
    // Whoever may open the local socket is an operator of this machine.
    const priority = this.#local.has(incoming) ? 'vital' : admission;
    const refusal = this.#gate.refusal(priority, this.#connections.requestsInFlight + 1);
    if (refusal === null) return false;
    const { clock, observer, settings } = this.#deps;
    const since = clock.now();
    this.#connections.beginRefusal(incoming.socket, outgoing);
    const { turns } = this.#gate;
    const answer = (): void => {
      const { method = 'GET', headers, url = '' } = incoming;
      if (this.#connections.draining) outgoing.shouldKeepAlive = false;
      const more = originHeaders(headers.origin, settings.corsOrigins);
      const status = refusal.send(outgoing, surfaceOf(url, headers), {
        requestId: requestIdOf(incoming, clock),
        more,
        clock,
      });
      observer.requestShed(refusal.reason, priority, { method, route, status, durationMs: clock.now() - since });
    };
    if (refusal.isHeld) turns.holdAndSendAway(answer);
    else turns.sendAway(answer);
    return true;
  }

  #bodyOf(context: RequestContext, operation: Operation): Promise<ReadBody> {
    const { incoming, signal, caller } = context;
    return readJsonBody(incoming, this.#deps.settings.bodyBytesMax, signal, (parts) =>
      this.#bodies.read(parts, operation.id, caller?.projectId ?? ''),
    );
  }

  /** Whether the answer to this Idempotency-Key was kept, and has been given; otherwise what is given now will be kept. */
  async #replayed(context: RequestContext, operation: Operation, input: RawInput): Promise<boolean> {
    const claim = await claimOf(context, operation, input, this.#deps.idempotency);
    if (claim?.kind === 'mine') context.recording = new Recording(claim, operation.idempotent !== 'unkept');
    if (claim?.kind !== 'answered') return false;
    const { status, headers, body: bytes } = claim.answer;
    await this.#respond(context, status, { ...headers, 'idempotent-replayed': 'true' }, bytes);
    return true;
  }

  #send(context: RequestContext, answer: Answer): Promise<void> | undefined {
    if (answer.kind === 'sent') return undefined;
    const { status, headers = NO_HEADERS } = answer;
    if (answer.kind === 'json')
      return this.#respond(context, status, headers, JSON.stringify(answer.body), 'application/json');
    const { contentType, bytes, keptAs } = answer;
    return this.#respond(context, status, headers, bytes, contentType, keptAs);
  }

  /** Nothing to wait for where the answer goes out as it is. */
  #respond(
    context: RequestContext,
    status: number,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array | string | Precompressed,
    contentType = headers['content-type'],
    keptAs?: string,
  ): Promise<void> | undefined {
    const plain = body instanceof Precompressed ? body.bytes : body;
    if (!this.#compressor.concerns(contentType ?? '', body, headers['etag'])) {
      context.respond(status, headers, plain, { contentType });
      return undefined;
    }
    const { vary } = context.headers;
    context.headers['vary'] = vary === undefined ? 'accept-encoding' : `${vary}, accept-encoding`;
    const accepts = context.incoming.headers['accept-encoding'];
    // A 304 has the Vary of its 200 (RFC 9110, 15.4.5), and no bytes.
    const encoding = status === 304 ? null : this.#compressor.encode(accepts, body, keptAs);
    if (encoding instanceof Promise)
      return encoding.then((encoded) => context.respond(status, headers, plain, { contentType, encoded }));
    context.respond(status, headers, plain, { contentType, encoded: encoding });
    return undefined;
  }

  #unsettled(context: RequestContext, thrown: unknown): void {
    this.#deps.logger.error('claim-not-settled', { requestId: context.requestId }, thrown);
  }

  begin(incoming: IncomingMessage, outgoing: ServerResponse, route: string): RequestContext {
    const context = new RequestContext({
      incoming,
      outgoing,
      route,
      trace: this.#trace(incoming.headers.traceparent),
      local: this.#local.has(incoming),
      clock: this.#deps.clock,
      observer: this.#deps.observer,
    });
    this.#connections.begin(context);
    return context;
  }

  /** Throws what is wrong with the request, whoever sends it. */
  check(context: RequestContext, access: Access): void {
    const { settings, keyless } = this.#deps;
    const { headers, httpVersionMinor } = context.incoming;
    if (settings.corsOrigins.length > 0)
      Object.assign(context.headers, originHeaders(headers.origin, settings.corsOrigins));
    if (headers.host === undefined && httpVersionMinor > 0) {
      throw new CallerError('bad_request', 'HTTP/1.1 asks for a Host header, and the request has none.');
    }
    if (hasTwoHosts(context.incoming.rawHeaders)) {
      throw new CallerError(
        'bad_request',
        'The request has more than one Host header: nobody can tell which is meant.',
      );
    }
    if (!context.local && keyless()) checkOrigin(headers, access, settings);
  }

  /** Throws where a run on a socket may not begin. */
  admitRun(): void {
    const refusal = this.#gate.overload('new', this.#connections.requestsInFlight);
    if (refusal === null) return;
    this.#deps.observer.requestShed(refusal.reason, 'new', null);
    throw refusal.error;
  }

  /** No operation has this method at this path. */
  refuseUnmatched(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const url = incoming.url ?? '';
    const here = operationsAt(this.#operations, url);
    const [first] = here;
    const route = first === undefined ? 'unmatched' : publicPath(first.path);
    if (this.turnedAway(incoming, outgoing, route, 'new')) return;
    const context = this.begin(incoming, outgoing, route);
    try {
      this.check(context, 'open');
      if (first === undefined) {
        const words = unservedWords(url) ?? 'There is no such path here. /docs lists every operation.';
        throw new CallerError('not_found', words);
      }
      const methods = [...new Set(here.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
      if (answeredPreflight(context, methods)) return;
      context.headers['allow'] = methods.join(', ');
      throw new CallerError('method_not_allowed', `This path knows ${methods.join(', ')} only.`);
    } catch (thrown) {
      this.fail(context, thrown);
    }
  }

  /** Answers with the error, in the form of the surface; says nothing to a caller who left. */
  fail(context: RequestContext, thrown: unknown): void {
    if (context.gone) return;
    const error = translateError(thrown);
    context.error = error;
    const { logger } = this.#deps;
    if (error.code === 'internal') {
      logger.error(
        'request-failed',
        { requestId: context.requestId, route: context.route, reason: error.internal },
        thrown,
      );
    } else if (error.internal !== undefined) {
      logger.warn('request-failed', { requestId: context.requestId, code: error.code, reason: error.internal });
    }
    const { status, headers, body } = renderError(error, context.surface, context);
    const run = context.runId === null ? {} : { 'x-revoagent-run': context.runId };
    context.respond(status, { ...headers, ...run }, body);
  }
}

/** Node keeps the first of them (RFC 9112, 3.2, asks for 400). Names and values in turn. */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') count++;
  }
  return count > 1;
}
