/**
 * What the ledger is told when an attempt goes out. Guesses the prompt's tokens from the length of its text, for the rows of which
 * nothing else will ever be known; it is no bill.
 */
import { flatText } from '#core/flat-text';
import type { ChatRequest } from '#contract/chat';
import type { UsageDispatch } from '#contract/ledger';
import type { RunCall } from '#contract/gateway';
import type { AttemptRecord } from '#contract/runs';
import type { Run } from './runs.ts';

/** English text has about four characters a token: https://platform.openai.com/tokenizer. */
const CHARS_PER_TOKEN = 4;

export function dispatchOf({ call, record }: Run, attempt: AttemptRecord, wallMs: number): UsageDispatch {
  const { number, kind, deployment, provider, model } = attempt;
  return {
    id: flatText(`${record.id}.${number}`),
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
    estimatedPromptTokens: Math.ceil(charsOf(call.request) / CHARS_PER_TOKEN),
  };
}

function charsOf(request: RunCall['request']): number {
  if (!isChat(request)) return charsIn(request['input']);
  let chars = 0;
  for (const { content } of request.messages) chars += charsIn(content);
  return chars;
}

function isChat(request: RunCall['request']): request is ChatRequest {
  return Array.isArray(request['messages']);
}

/** Text only: an image's tokens depend on its size in pixels, which nobody looks at here. */
function charsIn(content: unknown): number {
  if (typeof content === 'string') return content.length;
  if (!Array.isArray(content)) return 0;
  let chars = 0;
  for (const part of content as readonly unknown[]) {
    if (typeof part === 'string') chars += part.length;
    else if (isText(part)) chars += part.text.length;
  }
  return chars;
}

function isText(part: unknown): part is { text: string } {
  return typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string';
}
