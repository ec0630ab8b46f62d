/**
 * A guardrail that takes personal data out of what is asked and out of what is answered: e-mail addresses, telephone numbers, card
 * numbers (by their check digit), IBANs (by theirs) and API keys. It finds what has a shape; a name or a story has none.
 */
import type { ChatCompletion, ChatMessage, ChatRequest, GuardrailContext, GuardrailVerdict } from 'revoagent/guardrail';

export function before(request: ChatRequest, { redact }: GuardrailContext): GuardrailVerdict<ChatRequest> {
  const messages = request.messages.map((message) => redactMessage(message, redact));
  const changed = JSON.stringify(messages) !== JSON.stringify(request.messages);
  return changed ? { action: 'change', value: { ...request, messages } } : { action: 'allow' };
}

export function after(answer: ChatCompletion, { redact }: GuardrailContext): GuardrailVerdict<ChatCompletion> {
  const choices = answer.choices.map((choice) => {
    const { content } = choice.message;
    return content === null ? choice : { ...choice, message: { ...choice.message, content: redact(content) } };
  });
  const changed = JSON.stringify(choices) !== JSON.stringify(answer.choices);
  return changed ? { action: 'change', value: { ...answer, choices } } : { action: 'allow' };
}

function redactMessage(message: ChatMessage, redact: GuardrailContext['redact']): ChatMessage {
  const { content } = message;
  if (typeof content === 'string') return { ...message, content: redact(content) };
  if (!Array.isArray(content)) return message;
  const parts = content.map((part: Record<string, unknown>) =>
    typeof part['text'] === 'string' ? { ...part, text: redact(part['text']) } : part,
  );
  return { ...message, content: parts };
}
