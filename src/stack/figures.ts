/** What a running hub says of itself, by its local socket: nobody else's key is needed for that. */
import { request } from 'node:http';

export interface HubFigures {
  readonly requests: number;
  readonly errors: number;
}

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** Requests answered and failed since the hub's start, probes and scrapes not counted. Rejects where it does not answer. */
export async function figuresOf(socket: string, signal: AbortSignal): Promise<HubFigures> {
  const text = await get(socket, '/metrics', signal);
  return {
    requests: sumOf(text, 'http_server_request_duration_seconds_count', /http_route="\/(?!health|metrics)/),
    errors: sumOf(text, 'revoagent_request_errors_total', /http_route="\/(?!health|metrics)/),
  };
}

function sumOf(text: string, name: string, where: RegExp): number {
  let sum = 0;
  for (const line of text.split('\n'))
    if (line.startsWith(`${name}{`) && where.test(line)) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  return sum;
}

function get(socketPath: string, path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, signal, headers: { host: 'localhost' } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('error', reject);
      response.on('data', (part: string) => {
        text += part;
        if (text.length > ANSWER_BYTES_MAX) response.destroy(new Error('a longer answer than any hub gives'));
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`the hub answered ${response.statusCode}`));
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}
