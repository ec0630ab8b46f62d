/** Whether a part of a stack answers, as `isReady` and `isAlive` ask. */
import { connect } from 'node:net';
import type { Clock } from '#core/clock';

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

/** What throws, or does not answer in time, says no. */
export async function saysYes(
  clock: Clock,
  ask: (signal: AbortSignal) => Promise<boolean>,
  waitMs: number,
): Promise<boolean> {
  const late = new AbortController();
  const timer = clock.schedule(waitMs, () => late.abort(new Error('no answer in time')), true);
  try {
    return await ask(late.signal);
  } catch {
    // Not yet, or not any more.
    return false;
  } finally {
    timer.cancel();
  }
}
