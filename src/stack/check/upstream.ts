/** The model provider of a stack that is started to be checked: it answers after a while, or fails, as it is told, and counts. */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '#core/clock';

export interface CheckUpstream {
  readonly baseUrl: string;
  /** Whether it answers 500 to everything. */
  failing: boolean;
  /** How often each message was asked. */
  readonly asked: ReadonlyMap<string, number>;
  /** Requests since it was started. */
  readonly calls: number;
  close(): void;
}

/** So long a model takes; the hub's own time is what is left. */
const ANSWER_MS = 20;
const BODY_BYTES_MAX = 1024 * 1024;

export async function startCheckUpstream(clock: Clock): Promise<CheckUpstream> {
  const asked = new Map<string, number>();
  let calls = 0;
  const state = { failing: false };
  const server = createServer((request, response) => {
    void serve(request, response).catch(() => response.destroy());
  });
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST')
      return send(response, 200, { object: 'list', data: [{ id: 'check', object: 'model' }] });
    const { content, stream } = await questionIn(request);
    calls++;
    asked.set(content, (asked.get(content) ?? 0) + 1);
    if (state.failing) return send(response, 500, { error: { message: 'told to fail', type: 'server_error' } });
    await clock.sleep(ANSWER_MS);
    if (stream) sendStream(response);
    else send(response, 200, completion);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the upstream of the check has no port');
  return {
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    asked,
    get calls() {
      return calls;
    },
    get failing() {
      return state.failing;
    },
    set failing(value) {
      state.failing = value;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const head = { id: 'chatcmpl-check', created: 1, model: 'check' };
const completion = {
  ...head,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Well.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};

function sendStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunk = (delta: unknown, finish: string | null): string =>
    `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  response.end(`${chunk({ role: 'assistant', content: 'Well.' }, null)}${chunk({}, 'stop')}data: [DONE]\n\n`);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function questionIn(request: IncomingMessage): Promise<{ content: string; stream: boolean }> {
  let text = '';
  request.setEncoding('utf8');
  for await (const part of request) {
    text += String(part);
    if (text.length > BODY_BYTES_MAX) throw new Error('a longer body than the check sends');
  }
  const body = JSON.parse(text) as { messages?: { content?: unknown }[]; stream?: unknown };
  return { content: String(body.messages?.[0]?.content), stream: body.stream === true };
}
