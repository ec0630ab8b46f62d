/** A real upstream on port 0 that is an Ollama: OpenAI's protocol under /v1, and its own list of models. */
import type { Cleanup } from './suite.ts';
import { startUpstream } from './upstream.ts';
import type { Upstream } from './upstream.ts';

export interface OllamaUpstream extends Upstream {
  /** Its address as a provider's settings have it. */
  readonly origin: string;
  /** The paths that were read, in order. */
  readonly reads: readonly string[];
}

export async function startOllamaUpstream(t: Cleanup): Promise<OllamaUpstream> {
  const reads: string[] = [];
  const upstream = await startUpstream(t, (ids, path) => {
    reads.push(path);
    if (path !== '/api/tags') return { error: `there is no ${path}` };
    return { models: ids.map((name) => ({ name, model: name, modified_at: '2025-01-01T00:00:00Z', size: 1 })) };
  });
  return Object.assign(upstream, { origin: new URL(upstream.baseUrl).origin, reads });
}
