/** A model as both surfaces list it: OpenAI's form, which the hub's own surface shares. */
import { Type } from 'typebox';

export const modelSchema = Type.Object({
  id: Type.String(),
  object: Type.Literal('model'),
  created: Type.Integer({ description: 'Unix seconds.' }),
  owned_by: Type.String({ description: 'The provider, or `revoagent` for a route.' }),
});

export const modelExample = {
  id: 'openai/gpt-4o-mini',
  object: 'model',
  created: 1_721_172_741,
  owned_by: 'openai',
} as const;
