// The Vercel AI SDK through the hub: a plain answer, then a streamed one.
// Run: REVOAGENT_URL=http://127.0.0.1:12001 npx node examples/clients/ai-sdk.ts
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';

const hub = createOpenAICompatible({
  name: 'revoagent',
  baseURL: `${process.env['REVOAGENT_URL'] ?? 'http://127.0.0.1:12001'}/v1`,
  apiKey: process.env['REVOAGENT_KEY'] ?? 'none',
});
const model = hub(process.env['REVOAGENT_MODEL'] ?? 'simulator/chat');

const { text } = await generateText({ model, prompt: 'Say hello.' });
console.log(text);

const { textStream } = streamText({ model, prompt: 'Say hello.' });
for await (const part of textStream) process.stdout.write(part);
console.log();
