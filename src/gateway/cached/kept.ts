/** What the cache holds of an answer, and what else a shared call may end with. */
import type { ErrorCode } from '#core/errors';
import type { CacheFacts, RunSummary, WholeAnswer } from '#contract/gateway';
import type { AnswerFacts } from '../runs.ts';

/** JSON all through. */
export interface Kept extends AnswerFacts {
  /** The body as it was sent: bytes that are not parsed to be sent again. */
  readonly text: string;
  /** The run that asked for it. */
  readonly runId: string;
  readonly provider: string | null;
  readonly model: string | null;
  readonly simulated: boolean;
}

/** A kept answer past its time. */
export interface Stale {
  readonly kept: Kept;
  readonly cache: CacheFacts;
}

/** What stands in for an answer and is not kept. */
export class StandIn {
  readonly kept: Kept;
  readonly by: 'stale' | 'last-resort';
  /** The failure that it stands in for. */
  readonly errorCode: ErrorCode;

  constructor(kept: Kept, by: 'stale' | 'last-resort', errorCode: ErrorCode) {
    this.kept = kept;
    this.by = by;
    this.errorCode = errorCode;
  }
}

/** Everyone who shared the call is told. */
export class Failed {
  readonly thrown: unknown;

  constructor(thrown: unknown) {
    this.thrown = thrown;
  }
}

export type Ended = Kept | StandIn | Failed;

export function keptOf(text: string, { runId, provider, model, simulated }: RunSummary, facts: AnswerFacts): Kept {
  const { finishReason, usage } = facts;
  // Nothing but figures of it is asked for again.
  const figures =
    usage === null || usage === undefined
      ? null
      : {
          prompt_tokens: figure(usage.prompt_tokens),
          completion_tokens: figure(usage.completion_tokens),
        };
  return { text, runId, provider, model, simulated, finishReason, usage: figures };
}

function figure(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** An answer whose text is sent as it is; parsed only for who asks for its body. */
export class KeptAnswer<Body> implements WholeAnswer<Body> {
  readonly summary: RunSummary;
  readonly raw: string;
  readonly keptAs: string;

  constructor(summary: RunSummary, { text, runId }: Pick<Kept, 'text' | 'runId'>) {
    this.summary = summary;
    this.raw = text;
    // A run ends with one answer.
    this.keptAs = runId;
  }

  get body(): Body {
    // It was checked when it was made.
    return JSON.parse(this.raw) as Body;
  }
}
