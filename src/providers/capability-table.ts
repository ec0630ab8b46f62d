/** What each provider kind declares it can do, as the table of docs/providers/README.md. */
import type { ProviderCapabilities, ProviderKind } from '#contract/provider';

/** In the table's order; a capability without words does not compile. */
const WORDS: Readonly<Record<keyof ProviderCapabilities, string>> = {
  streaming: 'streams',
  tools: 'tools (`tools`, `tool_choice`)',
  jsonMode: 'JSON mode (`json_object`)',
  jsonSchema: 'JSON after a schema (`json_schema`)',
  vision: 'images in messages',
  embeddings: 'embeddings',
  prefill: 'goes on from a beginning (setting `prefill`)',
  passesUnknownFields: 'passes on fields the hub does not know',
};

export function capabilityTable(kinds: readonly Pick<ProviderKind, 'kind' | 'capabilities'>[]): string {
  const able = (capability: keyof ProviderCapabilities): string[] =>
    kinds.map(({ capabilities }) => (capabilities[capability] ? 'yes' : 'no'));
  return [
    `| | ${kinds.map(({ kind }) => `\`${kind}\``).join(' | ')} |`,
    `|${'---|'.repeat(kinds.length + 1)}`,
    ...Object.entries(WORDS).map(([name, words]) => {
      const cells = able(name as keyof ProviderCapabilities);
      return `| ${[words, ...cells].join(' | ')} |`;
    }),
  ].join('\n');
}
