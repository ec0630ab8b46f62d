/**
 * A server under measurement: where it listens, what a caller must send, and the proof, asked for before anything is
 * measured, that it really passes a chat on. A server that answers an error fast must not look fast.
 */
import { freePort } from '../../tests/helpers/free-port.ts';
import { until } from '../lab.ts';
import type { Lab, Running } from '../lab.ts';
import { ANSWER_MARK, CHAT_PATH, chatBody } from '../load/chat.ts';

export interface Subject {
  readonly name: string;
  /** Of the chat endpoint. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Null for what has no process of its own here. */
  readonly process: Running | null;
}

const PEERS = new URL('../peers/', import.meta.url).pathname;

/** A server that is started as `node <args>` on the measured core and is ready once it answers a chat. */
export async function startNodeServer(
  lab: Lab,
  spec: { name: string; port: number; args: readonly string[]; headers?: Readonly<Record<string, string>> },
): Promise<Subject> {
  const file = spec.name.replaceAll(/\W+/g, '-');
  const server = await lab.start({ name: file, file: process.execPath, args: spec.args, side: 'measured' });
  const subject = { name: spec.name, url: chatUrl(spec.port), headers: spec.headers ?? {}, process: server };
  await untilAnswering(subject);
  return subject;
}

export async function startBareRelay(lab: Lab, upstreamPort: number): Promise<Subject> {
  const port = await freePort();
  const args = [`${PEERS}bare-relay.ts`, String(port), `http://127.0.0.1:${upstreamPort}`];
  return startNodeServer(lab, { name: 'bare relay', port, args });
}

export async function startBareFastify(lab: Lab, answerFile: string): Promise<Subject> {
  const port = await freePort();
  return startNodeServer(lab, {
    name: 'bare Fastify',
    port,
    args: [`${PEERS}bare-fastify.ts`, String(port), answerFile],
  });
}

/** Portkey's own start script; the caller names provider and upstream in headers, as its documentation says. */
export async function startPortkey(lab: Lab, upstreamPort: number): Promise<Subject> {
  const port = await freePort();
  const script = new URL('../../node_modules/@portkey-ai/gateway/build/start-server.js', import.meta.url).pathname;
  return startNodeServer(lab, {
    name: 'Portkey gateway',
    port,
    args: [script, `--port=${port}`, '--headless'],
    headers: {
      authorization: 'Bearer sk-bench',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
    },
  });
}

export function chatUrl(port: number): string {
  return `http://127.0.0.1:${port}${CHAT_PATH}`;
}

/** Waits for the first right answer; throws with the server's last words when there is none within 60 s. */
export async function untilAnswering(subject: Subject): Promise<void> {
  let last = '';
  await until(
    async () => {
      const answer = await askOnce(subject).catch((error: unknown) => String(error));
      last = typeof answer === 'string' ? answer : `${answer.status} ${answer.text.slice(0, 500)}`;
      return typeof answer !== 'string' && answer.status === 200 && answer.text.includes(ANSWER_MARK);
    },
    async () => `${subject.name} does not pass a chat on: ${last}\n${(await subject.process?.logTail()) ?? ''}`,
  );
}

export async function askOnce(
  subject: Pick<Subject, 'url' | 'headers'>,
  body = chatBody(),
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(subject.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...subject.headers },
    body,
    signal: AbortSignal.timeout(5_000),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}
