/** What a running hub says of itself, by its local socket: nobody else's key is needed for that. */
import { request } from 'node:http';

export interface HubFigures {
  readonly requests: number;
  readonly errors: number;
}

export interface HubLoad extends HubFigures {
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  /** How many requests took the hub itself so many seconds at most, by its bound; the last bound is infinite. */
  readonly hubTime: ReadonlyMap<number, number>;
}

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** Probes and scrapes are nobody's requests. */
const SERVED = /http_route="\/(?!health|metrics)/;

/** Requests answered and failed since the hub's start, probes and scrapes not counted. Rejects where it does not answer. */
export async function figuresOf(socket: string, signal: AbortSignal): Promise<HubFigures> {
  return requestsIn(await get(socket, '/metrics', signal));
}

/** As `figuresOf`, with what it costs the machine. */
export async function loadOf(socket: string, signal: AbortSignal): Promise<HubLoad> {
  const text = await get(socket, '/metrics', signal);
  const hubTime = new Map<number, number>();
  for (const { labels, value } of samplesOf(text, 'revoagent_hub_time_seconds_bucket')) {
    const [, bound = ''] = /le="([^"]+)"/.exec(labels) ?? [];
    const seconds = bound === '+Inf' ? Infinity : Number(bound);
    hubTime.set(seconds, (hubTime.get(seconds) ?? 0) + value);
  }
  return {
    ...requestsIn(text),
    cpuSeconds: sumOf(text, 'process_cpu_seconds_total'),
    memoryBytes: sumOf(text, 'process_resident_memory_bytes'),
    hubTime,
  };
}

function requestsIn(text: string): HubFigures {
  return {
    requests: sumOf(text, 'http_server_request_duration_seconds_count', SERVED),
    errors: sumOf(text, 'revoagent_request_errors_total', SERVED),
  };
}

function sumOf(text: string, name: string, where = /^/): number {
  return samplesOf(text, name)
    .filter(({ labels }) => where.test(labels))
    .reduce((sum, { value }) => sum + value, 0);
}

function samplesOf(text: string, name: string): { labels: string; value: number }[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith(name) || !/^[{ ]/.test(line.slice(name.length))) return [];
    const at = line.lastIndexOf(' ');
    return [{ labels: line.slice(name.length, at), value: Number(line.slice(at + 1)) }];
  });
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
