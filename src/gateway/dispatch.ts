/**
 * What the ledger is told when an attempt goes out. Guesses the prompt's tokens from the length of its text, for the rows of which
 * nothing else will ever be known; it is no bill.
 */
import type { ChatMessage } from '#contract/chat';
import type { AttemptKind, UsageDispatch } from '#contract/ledger';
import type { AttemptRecord } from '#contract/runs';
import type { Run } from './runs.ts';

/** English text has about four characters a token: https://platform.openai.com/tokenizer. */
const CHARS_PER_TOKEN = 4;

export function dispatchOf(
  { call, record, dispatched }: Run,
  attempt: AttemptRecord,
  wallMs: number,
  kind: AttemptKind = dispatched === 1 ? 'first' : kindAfterFailure(record.attempts, attempt),
): UsageDispatch {
  const { number, deployment, provider, model } = attempt;
  return {
    id: `${record.id}.${number}`,
    runId: record.id,
    projectId: record.projectId,
    keyId: record.keyId,
    route: record.route,
    requestedModel: record.requestedModel,
    deployment,
    provider,
    model,
    kind,
    startedWallMs: Math.round(wallMs),
    estimatedPromptTokens: Math.ceil(charsOf(call.request.messages) / CHARS_PER_TOKEN),
  };
}

function kindAfterFailure(attempts: readonly AttemptRecord[], attempt: AttemptRecord): AttemptKind {
  const again = attempts.some((other) => other !== attempt && other.deployment === attempt.deployment);
  return again ? 'retry' : 'fallback';
}

/** Text only: an image's tokens depend on its size in pixels, which nobody looks at here. */
function charsOf(messages: readonly ChatMessage[]): number {
  let chars = 0;
  for (const { content } of messages) {
    if (typeof content === 'string') chars += content.length;
    else for (const { text } of content ?? []) if (typeof text === 'string') chars += text.length;
  }
  return chars;
}
