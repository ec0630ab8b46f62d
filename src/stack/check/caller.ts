/** Asks the stack that is checked, as a caller of this machine would: over connections that are kept, from any of its own addresses. */
import { Agent, request as plainRequest } from 'node:http';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { Clock } from '#core/clock';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** From the first byte that was sent to the last that came. */
  readonly ms: number;
}

export interface Question {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Another address of this machine to come from. */
  readonly from?: string;
}

const ANSWER_MS = 15_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const SOCKETS_MAX = 64;

export class Caller {
  readonly #clock: Clock;
  readonly #key: string | undefined;
  readonly #plain = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  // It asks its own machine, whose certificate may be signed by itself.
  readonly #secure = new SecureAgent({ keepAlive: true, maxSockets: SOCKETS_MAX, rejectUnauthorized: false });

  constructor(clock: Clock, key: string | undefined) {
    this.#clock = clock;
    this.#key = key;
  }

  /** Rejects where there is no whole answer. */
  ask(url: string, question: Question = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const begun = this.#clock.now();
      const sent = this.#open(url, question, this.#headersOf(question));
      sent.on('error', reject);
      sent.on('response', (response: IncomingMessage) => {
        let body = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          body += part;
          if (body.length > ANSWER_BYTES_MAX) response.destroy(new Error('a longer answer than any hub gives'));
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body,
            ms: this.#clock.now() - begun,
          }),
        );
      });
      sent.end(question.body === undefined ? undefined : JSON.stringify(question.body));
    });
  }

  /** The headers with which a WebSocket is taken up; it is ended at once. Rejects where it is refused. */
  openSocket(url: string, headers: Readonly<Record<string, string>>): Promise<IncomingHttpHeaders> {
    return new Promise((resolve, reject) => {
      const sent = this.#open(
        url,
        {},
        {
          ...this.#headersOf({ headers }),
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'cmV2b2FnZW50LWNoZWNrLg==',
        },
      );
      sent.on('error', reject);
      sent.on('upgrade', (response: IncomingMessage, socket) => {
        socket.destroy();
        resolve(response.headers);
      });
      sent.on('response', (response: IncomingMessage) => {
        response.resume();
        reject(new Error(`a socket was refused with ${response.statusCode}`));
      });
      sent.end();
    });
  }

  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }

  #headersOf({ body, headers }: Question): Record<string, string> {
    return {
      ...(this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    };
  }

  #open(url: string, { method = 'GET', from }: Question, headers: Record<string, string>): ClientRequest {
    const options = { method, headers, timeout: ANSWER_MS, ...(from === undefined ? {} : { localAddress: from }) };
    const sent = url.startsWith('https:')
      ? secureRequest(url, { ...options, agent: this.#secure })
      : plainRequest(url, { ...options, agent: this.#plain });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    return sent;
  }
}
