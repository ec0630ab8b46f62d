/**
 * `in-process <pid> <JavaScript>`: runs it in a Node process of this machine, through the inspector that SIGUSR1 opens there on loopback. What
 * it makes — a held heap, a busy thread — is as real as if the process had done it by itself. Prints the result.
 */
import { pause, systemClock } from '#core/clock';

const [pid = '', code = ''] = process.argv.slice(2);
const LIST = 'http://127.0.0.1:9229/json/list';
const OPEN_MS_MAX = 20_000;
const ASK_MS = 100;

async function inspector(): Promise<string> {
  process.kill(Number(pid), 'SIGUSR1');
  const endsAt = systemClock.now() + OPEN_MS_MAX;
  for (;;) {
    try {
      const [target] = (await (await fetch(LIST)).json()) as { webSocketDebuggerUrl: string }[];
      if (target !== undefined) return target.webSocketDebuggerUrl;
    } catch (error) {
      if (systemClock.now() > endsAt) throw error;
    }
    await pause(systemClock, ASK_MS);
  }
}

function evaluate(socket: WebSocket, expression: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('error', () => reject(new Error('the inspector hung up')), { once: true });
    socket.addEventListener(
      'message',
      ({ data }) => {
        const { result } = JSON.parse(String(data)) as {
          result: { result: { value: unknown }; exceptionDetails?: { exception?: { description?: string } } };
        };
        const failure = result.exceptionDetails;
        if (failure === undefined) resolve(result.result.value);
        else reject(new Error(failure.exception?.description ?? 'it threw'));
      },
      { once: true },
    );
    socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression, returnByValue: true } }));
  });
}

const socket = new WebSocket(await inspector());
await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
const found = await evaluate(socket, 'process.pid');
if (String(found) !== pid) throw new Error(`another process has the inspector's port: ${String(found)}, not ${pid}`);
process.stdout.write(`${String(await evaluate(socket, code))}\n`);
socket.close();
