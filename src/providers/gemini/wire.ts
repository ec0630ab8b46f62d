/**
 * The shapes of Gemini's `generateContent` that the translation reads and writes, after https://ai.google.dev/api/generate-content.
 * What comes from the network is held against them where it is read; nothing here trusts it.
 */

export interface GeminiPart {
  text?: string;
  inlineData?: { mimeType: string; data: string };
  fileData?: { mimeType?: string; fileUri: string };
  functionCall?: { id?: string; name: string; args?: Record<string, unknown> };
  functionResponse?: { id?: string; name: string; response: Record<string, unknown> };
  /** A summary of what the model thought, not part of its answer. */
  thought?: boolean;
  /** The model's state of mind, sealed. Gemini 3 refuses a function call that comes back without it. */
  thoughtSignature?: string;
}

export interface GeminiContent {
  role: 'user' | 'model';
  parts: GeminiPart[];
}

/** Google's documented word for a call that Gemini did not make: the other provider of a conversation has no signature. */
export const FOREIGN_SIGNATURE = 'skip_thought_signature_validator';

/** Gemini 3 and later, also under their moving names; they want signatures and know levels of thinking. */
export function isGemini3(model: string): boolean {
  const version = /^gemini-(\d{1,3})/.exec(model)?.[1];
  return version === undefined ? /^gemini-.*-latest$/.test(model) : Number(version) >= 3;
}
