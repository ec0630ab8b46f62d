/** Anthropic's form on the wire: what a request asks, whether it is to be answered or only counted. */
import type { IncomingHttpHeaders } from 'node:http';
import { Type } from 'typebox';
import { limits } from '#core/limits';
import { modelName } from './chat.ts';

export const block = Type.Record(Type.String(), Type.Unknown());
export const blocks = Type.Array(block);

/** The fields that have tokens. */
export const input = {
  model: modelName,
  messages: Type.Array(
    Type.Object({ role: Type.Enum(['user', 'assistant', 'system']), content: Type.Union([Type.String(), blocks]) }),
    { minItems: 1, maxItems: limits.messagesMax },
  ),
  system: Type.Optional(Type.Union([Type.String(), blocks], { description: 'Instructions.' })),
  tools: Type.Optional(Type.Array(block, { maxItems: limits.toolsMax, description: 'Tools that the model may call.' })),
  tool_choice: Type.Optional(block),
};

export const betaHeader = {
  'anthropic-beta': Type.String({
    description:
      'Features of Anthropic’s to switch on, with commas between them, besides those of the configuration. Told to Anthropic alone.',
  }),
};

export function betasIn(headers: IncomingHttpHeaders): string[] {
  const given = [headers['anthropic-beta'] ?? []].flat();
  return given.flatMap((names) => names.split(',')).flatMap((name) => name.trim() || []);
}
