/**
 * Callers of another thread: they connect and send while the thread that serves them does nothing, so that all of them wait in the
 * system's queue. Each tells how its connection ended: the first line of its answer, or the error.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

const { port, count, request, sent } = workerData as {
  port: number;
  count: number;
  request: string;
  sent: Int32Array<SharedArrayBuffer>;
};

async function call(): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const answer = new Promise<string>((resolve) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString().split('\r\n', 1)[0] ?? ''));
    socket.once('error', (error) => resolve(error.message));
    socket.once('close', () => resolve('closed without an answer'));
  });
  socket.write(request, () => void Atomics.add(sent, 0, 1));
  return answer.finally(() => socket.destroy());
}

parentPort?.postMessage(await Promise.all(Array.from({ length: count }, call)));
