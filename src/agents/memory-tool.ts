/** `remember` and `recall`: what a model does with the memory of its agent. */
import type { CancelSignal } from '#core/cancel';
import type { AgentRecord } from '#contract/agents';
import type { Memory, MemoryScope } from '#contract/memory';
import type { ToolAnswer, ToolArguments } from './arguments.ts';

interface MemoryFunction {
  readonly description: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly run: (memory: Memory, place: MemoryPlace, given: ToolArguments, signal: CancelSignal) => Promise<ToolAnswer>;
}

export interface MemoryPlace {
  readonly projectId: string;
  readonly scope: MemoryScope;
}

const FACT_CHARS_MAX = 4_000;
const RECALLED_MAX = 10;

const oneText = (name: string, description: string): Readonly<Record<string, unknown>> => ({
  type: 'object',
  properties: { [name]: { type: 'string', minLength: 1, maxLength: FACT_CHARS_MAX, description } },
  required: [name],
  additionalProperties: false,
});

/** By the names under which the model calls them. */
export const memoryFunctions: ReadonlyMap<string, MemoryFunction> = new Map([
  [
    'remember',
    {
      description: 'Keeps one fact for later conversations. Write it so that it can be understood by itself.',
      parameters: oneText('fact', 'The fact, in one or two sentences.'),
      async run(memory, place, given, signal) {
        await memory.remember({ ...place, text: String(given['fact']), signal });
        return { outcome: 'succeeded', text: 'It is remembered.' };
      },
    } satisfies MemoryFunction,
  ],
  [
    'recall',
    {
      description: 'Looks for facts that were kept earlier.',
      parameters: oneText('about', 'What the facts should bear on.'),
      async run(memory, { projectId, scope }, given, signal) {
        const text = String(given['about']);
        const found = await memory.recall({ projectId, scopes: [scope], text, limit: RECALLED_MAX, signal });
        const facts = found.map((fact) => `- ${fact.text}`).join('\n');
        return { outcome: 'succeeded', text: facts === '' ? 'Nothing is kept about this.' : facts };
      },
    } satisfies MemoryFunction,
  ],
]);

/** Where the agent's facts are; null where it has none: by its settings, or because there is no conversation to keep them with. */
export function memoryPlace(agent: AgentRecord, conversationId: string | null): MemoryPlace | null {
  const { projectId } = agent;
  switch (agent.memory.scope) {
    case 'none':
      return null;
    case 'agent':
      return { projectId, scope: `agent:${agent.id}` };
    case 'project':
      return { projectId, scope: 'project' };
    case 'conversation':
      return conversationId === null ? null : { projectId, scope: `conversation:${conversationId}` };
  }
}
