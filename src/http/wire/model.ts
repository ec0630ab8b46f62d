/** A model as the surfaces list it: OpenAI's form, which the hub's own surface shares, and Anthropic's. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { Model } from '#contract/chat';
import { ANTHROPIC_VERSION } from '../request-context.ts';
import { isoTime } from './common.ts';

export const modelSchema = Type.Object({
  id: Type.String(),
  object: Type.Literal('model'),
  created: Type.Integer({ description: 'Unix seconds.' }),
  owned_by: Type.String({ description: 'The provider, or `revoagent` for a route.' }),
});

/** Header of Anthropic's clients: its value is theirs. */
export const anthropicVersionHeader = {
  [ANTHROPIC_VERSION]: Type.String({
    description: 'Sent by Anthropic’s clients: the answer, and an error, is then in their form.',
    examples: ['2023-06-01'],
  }),
};

export const anthropicModelSchema = Type.Object({
  type: Type.Literal('model'),
  id: Type.String(),
  display_name: Type.String({ description: 'The id: what the hub knows of a model has no other name.' }),
  created_at: Type.String({ format: 'date-time', description: 'The beginning of 1970 where it is not known.' }),
});

export function anthropicModel({ id, created }: Model): Static<typeof anthropicModelSchema> {
  return { type: 'model', id, display_name: id, created_at: isoTime(created * 1_000) };
}

export const modelExample = {
  id: 'openai/gpt-4o-mini',
  object: 'model',
  created: 1_721_172_741,
  owned_by: 'openai',
} as const;
