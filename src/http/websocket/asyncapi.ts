/** The AsyncAPI 3.0 description of `/ws/chat`, made from the schemas that check its messages: `/asyncapi.json` and `schema/asyncapi.json`. */
import type { TSchema } from 'typebox';
import { closeCodes } from './close-codes.ts';
import { clientMessages, serverMessages } from './messages.ts';
import { SOCKET_PATH, SUBPROTOCOL } from './protocol.ts';

type Json = Record<string, unknown>;

export function asyncApiDocument(version: string): Json {
  const codes = Object.values(closeCodes).map(({ code, meaning, action }) => ({ code, meaning, action }));
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'reVoAgent',
      version,
      description:
        'Several runs on one WebSocket. Every run ends in exactly one `end` or `error` with its id, or with the socket. docs/websocket.md tells more.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { hub: { host: 'localhost:12001', protocol: 'ws', description: 'This hub; wss behind a proxy.' } },
    channels: {
      chat: {
        address: SOCKET_PATH,
        description: `Subprotocol ${SUBPROTOCOL}. A key goes into the header authorization, or beside the subprotocol as bearer.<key>, or into the first message.`,
        messages: { ...refs(clientMessages, 'client'), ...refs(serverMessages, 'server') },
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
        'x-close-codes': codes,
      },
    },
    operations: {
      receive: {
        action: 'receive',
        channel: { $ref: '#/channels/chat' },
        summary: 'What clients send.',
        messages: Object.keys(clientMessages).map((name) => ({ $ref: `#/channels/chat/messages/client.${name}` })),
      },
      send: {
        action: 'send',
        channel: { $ref: '#/channels/chat' },
        summary: 'What the hub sends.',
        messages: Object.keys(serverMessages).map((name) => ({ $ref: `#/channels/chat/messages/server.${name}` })),
      },
    },
    components: { messages: { ...messages(clientMessages, 'client'), ...messages(serverMessages, 'server') } },
  };
}

export function asyncApiJson(version: string): string {
  return `${JSON.stringify(asyncApiDocument(version), null, 2)}\n`;
}

/** The table of docs/websocket.md. */
export function closeCodeTable(): string {
  const rows = Object.values(closeCodes).map(({ code, meaning, action }) => `| ${code} | ${meaning} | ${action} |`);
  return ['| code | what happened | what to do |', '|---|---|---|', ...rows].join('\n');
}

type Messages = Readonly<Record<string, TSchema & { readonly description?: string }>>;

function refs(of: Messages, side: string): Json {
  return Object.fromEntries(
    Object.keys(of).map((name) => [`${side}.${name}`, { $ref: `#/components/messages/${side}.${name}` }]),
  );
}

function messages(of: Messages, side: string): Json {
  return Object.fromEntries(
    Object.entries(of).map(([name, schema]) => [
      `${side}.${name}`,
      { name, ...(schema.description === undefined ? {} : { summary: schema.description }), payload: schema },
    ]),
  );
}
