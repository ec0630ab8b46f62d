/** Whether a part of a stack answers, as `isReady` and `isAlive` ask. */
import { connect } from 'node:net';

/** The address answers 2xx. */
export async function answersOk(url: string, signal: AbortSignal): Promise<boolean> {
  const response = await fetch(url, { signal });
  await response.body?.cancel();
  return response.ok;
}

/** What is sent to the address is answered with something that `expected` matches. */
export function repliesTo(address: string, sent: string, expected: RegExp, signal: AbortSignal): Promise<boolean> {
  const at = address.lastIndexOf(':');
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), signal });
    let text = '';
    socket.setEncoding('latin1');
    socket.on('error', reject);
    socket.on('close', () => resolve(expected.test(text)));
    socket.on('connect', () => socket.write(sent, 'latin1'));
    socket.on('data', (part: string) => {
      text += part;
      // The first packet says it.
      socket.destroy();
    });
  });
}
