/** Where sockets are opened, and the names of what is spoken there. */
export const SOCKET_PATH = '/ws/chat';
/** What a client that offers any subprotocol must offer. */
export const SUBPROTOCOL = 'revoagent.v1';
