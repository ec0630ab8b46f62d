/** What a model lets be seen of its thinking, which OpenAI's form has no word for and providers have two. */
import { textOf } from './json.ts';
import type { Json } from './json.ts';

/** Of a whole answer or of a piece of one; empty where it says nothing of it. */
export function thoughtOf({ reasoning_content: thought, reasoning }: Json): string {
  return textOf(thought) || textOf(reasoning);
}
