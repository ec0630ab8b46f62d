/** Those who use what the drills' own traffic does not: an agent with tools and a memory, and a WebSocket. */
import { systemClock as clock } from '#core/clock';

const EVERY_MS = 1_000;

export interface Visitors {
  stop(): void;
}

/** Throws where the agent cannot be made. */
export async function startVisitors(hub: string): Promise<Visitors> {
  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(hub + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const send = async (path: string, body: unknown): Promise<{ id: string }> => {
    const response = await post(path, body);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as { id: string };
  };
  const tool = {
    kind: 'external',
    name: 'thing',
    description: 'Looks a thing up.',
    api: 'drill',
    method: 'GET',
    path: '/thing',
    parameters: { type: 'object', properties: {} },
  };
  const { id } = await send('/api/agents', {
    name: `drill-${clock.wallMs()}`,
    instructions: 'Be brief.',
    model: 'drill',
    memory: { scope: 'agent' },
    tools: [tool],
  });
  const sockets = new Set<WebSocket>();
  const visit = async (): Promise<void> => {
    await send(`/api/agents/${id}/chat`, { prompt: 'Hello', conversationId: 'new' });
    // A guardrail that judges answers holds streams back; this route has none.
    const streamed = {
      model: 'plain',
      stream: true,
      messages: [{ role: 'user', content: `It is ${clock.wallMs()}.` }],
    };
    await (await post('/v1/chat/completions', streamed)).arrayBuffer();
    await send('/api/memories', { scope: 'project', text: `It is ${clock.wallMs()} now.` });
    const socket = new WebSocket(`${hub.replace('http', 'ws')}/ws/chat`, ['revoagent.v1']);
    sockets.add(socket);
    socket.addEventListener('open', () => {
      const request = { model: 'drill', prompt: 'Hello' };
      socket.send(JSON.stringify({ type: 'chat', id: '1', request }));
    });
    socket.addEventListener('message', ({ data }) => {
      if (/"type":"(end|error)"/.test(String(data))) socket.close(1000);
    });
    socket.addEventListener('close', () => sockets.delete(socket));
  };
  let stopped = false;
  const next = (): void => {
    if (stopped) return;
    visit().catch((error: unknown) => console.log(`a visitor met ${String(error)}`));
    clock.schedule(EVERY_MS, next, true);
  };
  next();
  return {
    stop: () => {
      stopped = true;
      for (const socket of sockets) socket.close();
    },
  };
}
