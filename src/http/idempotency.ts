/**
 * The Idempotency-Key of a request, from its header to its answer: refused where it is none, replayed where the answer is kept, claimed
 * where nobody has done it. Records what is sent, as long as it is small enough, and settles the claim whichever way it ends.
 */
import { Type } from 'typebox';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import type { Claim, Idempotency, KeptAnswer } from '#contract/idempotency';
import type { AnswerRecording, RequestContext } from './request-context.ts';
import { callerOf } from './operation.ts';
import type { Operation, RawInput } from './operation.ts';

const HEADER = 'idempotency-key';
const KEY = /^[\x21-\x7e]{1,255}$/;
const RUNNING_RETRY_MS = 1_000;

export const idempotencyHeader = {
  'idempotency-key': Type.String({
    minLength: 1,
    maxLength: 255,
    description:
      'Printable and without spaces. The same key and body again, within 24 hours, get the same answer and do nothing twice. Another body with the same key: 422. Still running: 409.',
  }),
};

/** Whether it has a key at all: most have none. */
export function isRepeatable({ incoming }: RequestContext): boolean {
  return incoming.headers[HEADER] !== undefined;
}

/** The claim of this request; null where it has no key. Throws `CallerError` where it must not be served. */
export async function claimOf(
  context: RequestContext,
  operation: Pick<Operation, 'id' | 'params'>,
  { params, body }: Pick<RawInput, 'params' | 'body'>,
  idempotency: Idempotency,
): Promise<Extract<Claim, { kind: 'mine' | 'answered' }> | null> {
  const key = context.incoming.headers[HEADER];
  if (key === undefined) return null;
  if (typeof key !== 'string' || !KEY.test(key))
    throw new CallerError(
      'bad_request',
      'The Idempotency-Key must have 1 to 255 printable characters without spaces.',
      {
        param: HEADER,
      },
    );
  const { projectId, keyId } = callerOf(context);
  // Whom it is for is part of what was asked: the same words to another agent are another request.
  const asked = JSON.stringify(operation.params === undefined ? body : [params, body]);
  const claim = await idempotency.claim({ projectId, keyId, operation: operation.id, key, body: asked });
  switch (claim.kind) {
    case 'running':
      throw new CallerError('idempotency_key_in_use', 'The request with this Idempotency-Key is still being served.', {
        retryAfterMs: RUNNING_RETRY_MS,
      });
    case 'other-request':
      throw new CallerError(
        'idempotency_key_reused',
        'This Idempotency-Key was used with another body. Use a new key.',
      );
    case 'not-kept':
      throw new CallerError(
        'idempotency_answer_not_kept',
        'The request with this Idempotency-Key was done, and its answer is not kept here.',
      );
    default:
      return claim;
  }
}

/** Takes down an answer while it is sent, and settles the claim just before its last byte. */
export class Recording implements AnswerRecording {
  readonly #settle: (answer: KeptAnswer | 'too-large' | 'failed') => Promise<void>;
  readonly #bytesMax: number;
  #status = 0;
  #headers: Readonly<Record<string, string>> = {};
  #parts: Uint8Array[] = [];
  #byteCount = 0;
  #settled: Promise<void> | null = null;

  /** Where the answer is not `kept`, that it was given is. */
  constructor(claim: Extract<Claim, { kind: 'mine' }>, kept = true) {
    this.#settle = (answer) => claim.settle(answer);
    this.#bytesMax = kept ? limits.idempotentAnswerBytesMax : 0;
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    this.#status = status;
    this.#headers = headers;
  }

  write(data: Uint8Array | string): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    this.#byteCount += bytes.byteLength;
    if (this.#byteCount <= this.#bytesMax) this.#parts.push(bytes);
    else this.#parts = [];
  }

  /** The answer is whole. Only what succeeded is final: after anything else, a last resort too, the same request may be done again. */
  end(): void {
    const failed = this.#status < 200 || this.#status > 299 || this.#headers['x-revoagent-degraded'] === 'true';
    const tooLarge = this.#byteCount > this.#bytesMax;
    const answer = { status: this.#status, headers: this.#headers, body: Buffer.concat(this.#parts) };
    this.#settled ??= this.#settle(failed ? 'failed' : tooLarge ? 'too-large' : answer);
  }

  /** Nothing more comes. Resolves when the claim is settled. */
  close(): Promise<void> {
    this.#settled ??= this.#settle('failed');
    return this.#settled;
  }
}

/** For `docs/idempotency.md`: which operations honour it. */
export function idempotentOperations(operations: readonly Operation[]): string {
  const honouring = operations.filter(({ idempotent }) => idempotent !== undefined);
  return honouring.map(({ method, path, summary }) => `- \`${method} ${path}\`: ${summary}`).join('\n');
}
