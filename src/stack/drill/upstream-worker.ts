/**
 * The upstream of drills: speaks OpenAI's chat form on two ports, and on a third does as it is told: `?answer=500&share=0.5`, `?delayMs=8000`,
 * `?refuse=true` closes the first port for real. The second port stays well: it is the provider `spare`.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock } from '#core/clock';

const [port = '0', sparePort = '0', controlPort = '0'] = process.argv.slice(2);
const fault = { answer: 200, share: 1, delayMs: 50, count: 0 };

const said = { role: 'assistant', content: 'All is well.' };
const head = { id: 'chatcmpl-drill', created: 1, model: 'drill' };
const usage = { prompt_tokens: 5, completion_tokens: 4, total_tokens: 9 };

const call = { id: 'call_1', type: 'function', function: { name: 'thing', arguments: '{}' } };

/** An agent's first step is told to call its tool. */
function answerOf(stream: boolean, callsTool: boolean): { type: string; text: string } {
  const words = callsTool
    ? { role: 'assistant', content: null, tool_calls: [{ ...call, ...(stream ? { index: 0 } : {}) }] }
    : said;
  const finish = callsTool ? 'tool_calls' : 'stop';
  if (!stream) {
    const body = {
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message: words, finish_reason: finish }],
      usage,
    };
    return { type: 'application/json', text: JSON.stringify(body) };
  }
  const chunk = (delta: object, reason: string | null): string =>
    `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
  return { type: 'text/event-stream', text: `${chunk(words, null)}${chunk({}, finish)}data: [DONE]\n\n` };
}

async function serve(request: IncomingMessage, response: ServerResponse, faulty: boolean): Promise<void> {
  let body = '';
  for await (const part of request) body += String(part);
  // So many of each hundred, evenly.
  const fails =
    faulty &&
    fault.answer !== 200 &&
    Math.floor(++fault.count * fault.share) > Math.floor((fault.count - 1) * fault.share);
  const callsTool = /"tools":\s*\[/.test(body) && !/"role":\s*"tool"/.test(body);
  const { type, text } = answerOf(/"stream":\s*true/.test(body), callsTool);
  systemClock.schedule(faulty ? fault.delayMs : 50, () => {
    if (fails)
      response.writeHead(fault.answer, { 'content-type': 'application/json' }).end('{"error":{"message":"drill"}}');
    else response.writeHead(200, { 'content-type': type }).end(text);
  });
}

const first = createServer((request, response) => void serve(request, response, true));
first.listen(Number(port), '127.0.0.1');
createServer((request, response) => void serve(request, response, false)).listen(Number(sparePort), '127.0.0.1');
createServer((request, response) => {
  const given = new URL(request.url ?? '/', 'http://control').searchParams;
  for (const [name, value] of given) {
    if (name === 'refuse' && value === 'true') {
      first.close();
      first.closeAllConnections();
    } else if (name === 'refuse' && !first.listening) first.listen(Number(port), '127.0.0.1');
    else if (name === 'answer') Object.assign(fault, { answer: Number(value), share: Number(given.get('share') ?? 1) });
    else if (name === 'delayMs') fault.delayMs = Number(value);
  }
  response.end(`${JSON.stringify({ ...fault, refuses: !first.listening })}\n`);
}).listen(Number(controlPort), '127.0.0.1');
