/**
 * The least a Fastify server does for a chat: it parses the body and answers bytes that it has. A program:
 * `node bare-fastify.ts <port> <file with the answer>`.
 */
import { readFile } from 'node:fs/promises';
import { fastify } from 'fastify';

const [port, file] = process.argv.slice(2);
if (port === undefined || file === undefined) throw new Error('usage: bare-fastify.ts <port> <file with the answer>');
const answer = await readFile(file);
const server = fastify({ keepAliveTimeout: 3_600_000 });
server.post('/v1/chat/completions', (_request, reply) => reply.type('application/json').send(answer));
await server.listen({ host: '127.0.0.1', port: Number(port) });
