/**
 * Fields of an answer that clients send back with it and only its maker understands: its thinking, its seals, its form, where it found a
 * thing, what the client itself has added. Each dialect reads its own; to another they say nothing, and a conversation that goes on at
 * another provider would be refused for them.
 */
export const OF_ITS_MAKER: readonly string[] = [
  'annotations',
  'anthropic',
  'extra_content',
  'parsed',
  'reasoning',
  'reasoning_content',
  'reasoning_details',
  'thinking_blocks',
];
