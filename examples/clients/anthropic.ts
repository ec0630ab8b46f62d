// The official Anthropic client through the hub, whatever provider answers: a plain answer, then a streamed one.
// Run: REVOAGENT_URL=http://127.0.0.1:12001 npx node examples/clients/anthropic.ts
import Anthropic from '@anthropic-ai/sdk';

const baseURL = process.env['REVOAGENT_URL'] ?? 'http://127.0.0.1:12001';
const model = process.env['REVOAGENT_MODEL'] ?? 'simulator/chat';
const client = new Anthropic({ baseURL, apiKey: process.env['REVOAGENT_KEY'] ?? 'none' });

const asked = { model, max_tokens: 100, messages: [{ role: 'user' as const, content: 'Say hello.' }] };
const { content } = await client.messages.create(asked);
for (const block of content) if (block.type === 'text') console.log(block.text);

const stream = client.messages.stream(asked);
stream.on('text', (text) => process.stdout.write(text));
await stream.finalMessage();
console.log();
