/**
 * Providers that a machine is ready for: whoever has a key in the environment means to use it, and whoever runs an Ollama too. Only
 * asked when the file names no provider. The simulator is always among them, as the last one. Addresses are the providers' own, from their API references. Calls nobody: whether an Ollama
 * answers is found out by who loads the configuration.
 */
import type { Environment } from './file.ts';

interface Known {
  readonly provider: string;
  readonly key: string;
  /** Another name of the same key, read where the first is not set. */
  readonly otherKey?: string;
  /** `openai-compatible` where it is left out. */
  readonly kind?: string;
  /** Left out where the kind knows its own. */
  readonly baseUrl?: string;
  /** The variable in which people name another address. */
  readonly urlVariable?: string;
  /** One that it has at its own address. */
  readonly model?: string;
}

/** In the order in which the first one becomes the default. */
const KNOWN_PROVIDERS: readonly Known[] = [
  {
    provider: 'openai',
    key: 'OPENAI_API_KEY',
    baseUrl: 'https://api.openai.com/v1',
    urlVariable: 'OPENAI_BASE_URL',
    model: 'gpt-5-mini',
  },
  {
    provider: 'anthropic',
    key: 'ANTHROPIC_API_KEY',
    kind: 'anthropic',
    baseUrl: 'https://api.anthropic.com/v1',
    urlVariable: 'ANTHROPIC_BASE_URL',
  },
  { provider: 'gemini', key: 'GEMINI_API_KEY', otherKey: 'GOOGLE_API_KEY', kind: 'gemini' },
  { provider: 'openrouter', key: 'OPENROUTER_API_KEY', baseUrl: 'https://openrouter.ai/api/v1' },
  { provider: 'groq', key: 'GROQ_API_KEY', baseUrl: 'https://api.groq.com/openai/v1' },
  { provider: 'mistral', key: 'MISTRAL_API_KEY', baseUrl: 'https://api.mistral.ai/v1' },
  { provider: 'deepseek', key: 'DEEPSEEK_API_KEY', baseUrl: 'https://api.deepseek.com/v1' },
  { provider: 'together', key: 'TOGETHER_API_KEY', baseUrl: 'https://api.together.xyz/v1' },
  { provider: 'xai', key: 'XAI_API_KEY', baseUrl: 'https://api.x.ai/v1' },
];

export interface Discovered {
  readonly provider: string;
  readonly because: string;
  /** One that it has, where that is known. */
  readonly model?: string;
}

/** An Ollama that answered. */
export interface LocalOllama {
  readonly baseUrl: string;
  /** One that it has. */
  readonly model: string;
}

export interface Discovery {
  readonly found: readonly Discovered[];
  /** As the file would say it. */
  readonly providers: Readonly<Record<string, Record<string, unknown>>>;
}

export function discoverProviders(env: Environment, ollama?: LocalOllama): Discovery {
  const found: Discovered[] = [];
  const providers: Record<string, Record<string, unknown>> = {};
  for (const {
    provider,
    key: firstKey,
    otherKey,
    kind = 'openai-compatible',
    baseUrl,
    urlVariable = '',
    model,
  } of KNOWN_PROVIDERS) {
    const key = otherKey !== undefined && !env[firstKey] ? otherKey : firstKey;
    const apiKey = env[key];
    const ownUrl = env[urlVariable];
    // An address alone is enough for a server that asks for no key; Anthropic's always does.
    if (!apiKey && (!ownUrl || kind === 'anthropic')) continue;
    const address = (kind === 'anthropic' ? withVersion(ownUrl) : ownUrl) || baseUrl;
    providers[provider] = {
      kind,
      ...(address === undefined ? {} : { baseUrl: address }),
      ...(apiKey ? { apiKey } : {}),
    };
    found.push({
      provider,
      because: [apiKey ? key : '', ownUrl ? urlVariable : ''].filter(Boolean).join(' and '),
      // Another server may have other models.
      ...(model === undefined || ownUrl ? {} : { model }),
    });
  }
  if (ollama !== undefined) {
    const { baseUrl, model } = ollama;
    providers['ollama'] = { kind: 'ollama', baseUrl };
    found.push({ provider: 'ollama', because: `it answers at ${baseUrl}`, model });
  }
  // Last, so that it answers only who names it, where there is another: the examples work on every machine.
  const because =
    found.length === 0
      ? 'no provider is configured and the environment has no key for one'
      : 'built in, for who asks for simulator/chat';
  found.push({ provider: 'simulator', because, model: 'chat' });
  providers['simulator'] = { kind: 'simulator' };
  return { found, providers };
}

const OLLAMA_PORT = 11434;

/**
 * Where this machine's Ollama would answer, by Ollama's own reading of OLLAMA_HOST: "host", ":port", "host:port" or a URL, whose port
 * is then the scheme's. Who listens on every address is asked on this machine's. Undefined where the variable holds no address.
 */
export function ollamaAddress(env: Environment): string | undefined {
  const given = (env['OLLAMA_HOST'] ?? '').trim() || '127.0.0.1';
  const host = given.startsWith(':') ? `127.0.0.1${given}` : given;
  const text = /^https?:\/\//.test(host) ? host : `http://${host}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (text !== host && !/:\d+(\/|$)/.test(host)) url.port = String(OLLAMA_PORT);
  if (url.username !== '' || url.password !== '') return undefined;
  if (url.hostname === '0.0.0.0' || url.hostname === '[::]') url.hostname = '127.0.0.1';
  return (url.origin + url.pathname).replace(/\/+$/, '');
}

/** Anthropic's own clients append the version themselves, so that their variable is written without it. */
function withVersion(url: string | undefined): string | undefined {
  return !url || /\/v\d+\/*$/.test(url) ? url : `${url.replace(/\/+$/, '')}/v1`;
}
