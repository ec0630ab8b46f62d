/** An upstream that never says the same twice: whatever it is asked, it answers with the next number. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from './suite.ts';

export interface NumberedUpstream {
  readonly url: string;
  /** How many it has told. */
  count(): number;
}

/** Completions, their streams and embeddings in OpenAI's form, anything else as JSON: `<7>` in a text, 7 as the first figure of a vector. */
export async function startNumbered(t: Cleanup): Promise<NumberedUpstream> {
  let count = 0;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      const number = ++count;
      const path = request.url ?? '';
      const streams = text.includes('"stream":true');
      const type = streams ? 'text/event-stream' : 'application/json';
      response.writeHead(200, { 'content-type': type }).end(streams ? streamOf(number) : bodyOf(path, number));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, count: () => count };
}

const frame = { id: 'chatcmpl-1', created: 1, model: 'test-model' };
const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

function bodyOf(path: string, number: number): string {
  if (path === '/embeddings')
    return JSON.stringify({
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [number, 0.5] }],
      model: 'test-model',
      usage,
    });
  if (path !== '/chat/completions') return JSON.stringify({ said: `<${number}>` });
  const message = { role: 'assistant', content: `<${number}>` };
  const choices = [{ index: 0, message, finish_reason: 'stop' }];
  return JSON.stringify({ ...frame, object: 'chat.completion', choices, usage });
}

function streamOf(number: number): string {
  const event = (delta: object, finish: string | null): string =>
    `data: ${JSON.stringify({
      ...frame,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason: finish }],
    })}\n\n`;
  return `${event({ role: 'assistant', content: `<${number}>` }, null)}${event({}, 'stop')}data: [DONE]\n\n`;
}
