/**
 * A guardrail that takes personal data out of what is asked and out of what is answered: e-mail addresses, telephone numbers, card
 * numbers (by their check digit), IBANs (by theirs) and API keys. It finds what has a shape; a name or a story has none.
 */
import type { ChatCompletion, ChatMessage, ChatRequest, GuardrailVerdict } from 'revoagent/guardrail';

interface Kind {
  readonly name: string;
  readonly shape: RegExp;
  /** Whether it really is one. */
  readonly check?: (found: string) => boolean;
}

const KINDS: readonly Kind[] = [
  { name: 'email', shape: /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g },
  { name: 'key', shape: /\b(?:sk|pk|rk|rvk|ghp|gho|xox[abp]|AKIA)[-_]?[A-Za-z0-9_-]{16,}\b/g },
  { name: 'iban', shape: /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b/g, check: isIban },
  { name: 'card', shape: /\b\d(?:[ -]?\d){12,18}\b/g, check: isCard },
  { name: 'phone', shape: /(?<![\w.])(?:\+|00)\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,5}(?!\w)/g },
];

/** The text with `[email]` and the like in place of what was found. */
export function redact(text: string): string {
  let redacted = text;
  for (const { name, shape, check } of KINDS)
    redacted = redacted.replace(shape, (found) => (check === undefined || check(found) ? `[${name}]` : found));
  return redacted;
}

export function before(request: ChatRequest): GuardrailVerdict<ChatRequest> {
  const messages = request.messages.map(redactMessage);
  const changed = JSON.stringify(messages) !== JSON.stringify(request.messages);
  return changed ? { action: 'change', value: { ...request, messages } } : { action: 'allow' };
}

export function after(answer: ChatCompletion): GuardrailVerdict<ChatCompletion> {
  const choices = answer.choices.map((choice) => {
    const { content } = choice.message;
    return content === null ? choice : { ...choice, message: { ...choice.message, content: redact(content) } };
  });
  const changed = JSON.stringify(choices) !== JSON.stringify(answer.choices);
  return changed ? { action: 'change', value: { ...answer, choices } } : { action: 'allow' };
}

function redactMessage(message: ChatMessage): ChatMessage {
  const { content } = message;
  if (typeof content === 'string') return { ...message, content: redact(content) };
  if (!Array.isArray(content)) return message;
  const parts = content.map((part: Record<string, unknown>) =>
    typeof part['text'] === 'string' ? { ...part, text: redact(part['text']) } : part,
  );
  return { ...message, content: parts };
}

/** The check digit of Luhn, ISO/IEC 7812-1. */
function isCard(found: string): boolean {
  const digits = found.replace(/\D/g, '').split('').toReversed().map(Number);
  let sum = 0;
  for (const [at, digit] of digits.entries()) {
    const doubled = digit * 2;
    sum += at % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return digits.length >= 13 && sum % 10 === 0;
}

/** The remainder by 97, ISO 13616. */
function isIban(found: string): boolean {
  const text = found.replace(/\s/g, '');
  const digits = (text.slice(4) + text.slice(0, 4)).replace(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55));
  return text.length >= 15 && BigInt(digits) % 97n === 1n;
}
