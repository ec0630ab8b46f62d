// LangChain.js through the hub: a plain answer, then a streamed one.
// Run: REVOAGENT_URL=http://127.0.0.1:12001 npx node examples/clients/langchain.ts
import { ChatOpenAI } from '@langchain/openai';

const model = new ChatOpenAI({
  model: process.env['REVOAGENT_MODEL'] ?? 'simulator/chat',
  apiKey: process.env['REVOAGENT_KEY'] ?? 'none',
  configuration: { baseURL: `${process.env['REVOAGENT_URL'] ?? 'http://127.0.0.1:12001'}/v1` },
});

const answer = await model.invoke('Say hello.');
console.log(answer.text);

for await (const part of await model.stream('Say hello.')) process.stdout.write(part.text);
console.log();
