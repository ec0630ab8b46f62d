// The official OpenAI client through the hub: a plain answer, then a streamed one.
// Run: REVOAGENT_URL=http://127.0.0.1:12001 npx node examples/clients/openai.ts
import OpenAI from 'openai';

const hub = process.env['REVOAGENT_URL'] ?? 'http://127.0.0.1:12001';
const model = process.env['REVOAGENT_MODEL'] ?? 'simulator/chat';
const client = new OpenAI({ baseURL: `${hub}/v1`, apiKey: process.env['REVOAGENT_KEY'] ?? 'none' });

const messages = [{ role: 'user' as const, content: 'Say hello.' }];
const answer = await client.chat.completions.create({ model, messages });
console.log(answer.choices[0]?.message.content);

const stream = await client.chat.completions.create({ model, messages, stream: true });
for await (const { choices } of stream) process.stdout.write(choices[0]?.delta.content ?? '');
console.log();
