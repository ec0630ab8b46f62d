/**
 * A real upstream on port 0 that speaks Gemini's own API and fails by script, as `upstream.ts` does for OpenAI's. What it says of a
 * stream it tells from the path: Gemini has a method of its own for it, and no `[DONE]`.
 */
import type { Cleanup } from './suite.ts';
import { event, flushed, json, startUpstream } from './upstream.ts';
import type { Behaviour, StreamScript, Upstream } from './upstream.ts';

export function startGeminiUpstream(t: Cleanup): Promise<Upstream> {
  return startUpstream(t, (ids) => ({
    models: ids.map((id) => ({ name: `models/${id}`, supportedGenerationMethods: ['generateContent'] })),
  }));
}

/** A whole answer, its stream, or vectors, as the method of the path asks. */
export function geminiAnswers(text = 'All is well.'): Behaviour {
  return (exchange) => {
    const { path, body } = exchange.received;
    if (path.includes(':streamGenerateContent')) return geminiStreams(text.match(/\s*\S+/g) ?? [])(exchange);
    if (path.includes(':batchEmbedContents')) return json(exchange.response, 200, vectors(body['requests']));
    json(exchange.response, 200, answer([{ text }], 'STOP'));
  };
}

/** Headers, a word an event, and the ending; the finish reason comes with the last word, as Gemini sends it. */
export function geminiStreams(words: readonly string[], { ending = 'whole', raw = {} }: StreamScript = {}): Behaviour {
  return async ({ response, cut }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    const finishes = ending === 'whole' || ending === 'no-end';
    for (const [position, text] of words.entries()) {
      const last = finishes && position === words.length - 1;
      await flushed(response, raw[position] ?? event(answer([{ text }], last ? 'STOP' : undefined)));
    }
    if (ending === 'stall' || ending === 'no-end') return;
    if (ending === 'cut') cut();
    else response.end();
  };
}

/** One answer, or one event of a stream. */
export function answer(parts: readonly unknown[], finishReason?: string, more: object = {}): Record<string, unknown> {
  const content = { role: 'model', parts };
  return {
    candidates: [{ index: 0, content, ...(finishReason === undefined ? {} : { finishReason }) }],
    usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 3, totalTokenCount: 10 },
    modelVersion: 'test-model-001',
    responseId: 'response-1',
    ...more,
  };
}

function vectors(requests: unknown): unknown {
  const list: unknown[] = Array.isArray(requests) ? requests : [];
  return { embeddings: list.map((_, index) => ({ values: [index, 0.25, 0.5] })) };
}
