/**
 * What a guardrail module exports: `before`, `after`, or both. It sees each chat of the routes that name it, before the first attempt and
 * after the answer, and lets it pass, changes it or refuses it. Public as `revoagent/guardrail`, types only.
 */
import type { ChatCompletion, ChatRequest } from './chat.ts';

export type { ChatCompletion, ChatMessage, ChatRequest } from './chat.ts';

export interface GuardrailContext {
  readonly runId: string;
  /** The route's name in the configuration. */
  readonly route: string;
  readonly projectId: string;
  /** Null in a hub without keys. */
  readonly keyId: string | null;
  /** Aborted at the deadline (`timeoutMs` of the route's guardrail), and when the caller leaves. */
  readonly signal: AbortSignal;
  /** The text with `[email]`, `[key]`, `[iban]`, `[card]` or `[phone]` in place of what has the shape of one: what `content: redacted` does. */
  readonly redact: (text: string) => string;
}

export type GuardrailVerdict<T> =
  | { readonly action: 'allow' }
  /** Goes on with this in its place. */
  | { readonly action: 'change'; readonly value: T }
  /** The caller gets `reason` with the error `guardrail_refused`. */
  | { readonly action: 'refuse'; readonly reason: string };

export interface Guardrail {
  /** Given a copy, which may be changed in place and returned. */
  readonly before?: (
    request: ChatRequest,
    context: GuardrailContext,
  ) => GuardrailVerdict<ChatRequest> | Promise<GuardrailVerdict<ChatRequest>>;
  /** Given the whole answer, also of a stream: nothing is sent before it is judged. */
  readonly after?: (
    answer: ChatCompletion,
    context: GuardrailContext,
  ) => GuardrailVerdict<ChatCompletion> | Promise<GuardrailVerdict<ChatCompletion>>;
}
