// OpenAI's Responses API through the hub, whatever provider answers: a plain answer, then a streamed one.
// Run: REVOAGENT_URL=http://127.0.0.1:12001 npx node examples/clients/openai-responses.ts
import OpenAI from 'openai';

const hub = process.env['REVOAGENT_URL'] ?? 'http://127.0.0.1:12001';
const model = process.env['REVOAGENT_MODEL'] ?? 'simulator/chat';
const client = new OpenAI({ baseURL: `${hub}/v1`, apiKey: process.env['REVOAGENT_KEY'] ?? 'none' });

const asked = { model, input: 'Say hello.' };
const { output_text: text } = await client.responses.create(asked);
console.log(text);

const stream = await client.responses.create({ ...asked, stream: true });
for await (const event of stream) if (event.type === 'response.output_text.delta') process.stdout.write(event.delta);
console.log();
