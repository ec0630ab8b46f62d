/**
 * The hub's own form of a chat, which is the OpenAI chat-completions form: most clients and most upstreams speak it, so most
 * requests pass untouched. A provider of another shape translates at its edge. Fields the hub does not know travel along.
 */

export type ChatRole = 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function';

export interface ChatMessage {
  role: ChatRole;
  content?: string | null | readonly Record<string, unknown>[];
  [field: string]: unknown;
}

export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  stream?: boolean | null;
  [field: string]: unknown;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  [field: string]: unknown;
}

export interface ChatChoice {
  index: number;
  message: { role: string; content: string | null; [field: string]: unknown };
  finish_reason: string | null;
  [field: string]: unknown;
}

export interface ChatCompletion {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: ChatChoice[];
  usage?: Usage | null;
  [field: string]: unknown;
}

export interface ChatChunkChoice {
  index: number;
  delta: { role?: string; content?: string | null; [field: string]: unknown };
  finish_reason?: string | null;
  [field: string]: unknown;
}

export interface ChatChunk {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: ChatChunkChoice[];
  usage?: Usage | null;
  [field: string]: unknown;
}

export interface Model {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
  [field: string]: unknown;
}

export interface EmbeddingRequest {
  model: string;
  input: string | readonly unknown[];
  [field: string]: unknown;
}

export interface EmbeddingList {
  object: string;
  /** A vector of numbers, or base64 where the caller asked for that. */
  data: { index: number; embedding: readonly number[] | string; [field: string]: unknown }[];
  model: string;
  usage?: { prompt_tokens: number; total_tokens: number; [field: string]: unknown } | null;
  [field: string]: unknown;
}
