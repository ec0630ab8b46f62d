/**
 * Secrets that come as files, as containers mount them: `DATABASE_URL_FILE=/run/secrets/database_url` stands for `DATABASE_URL` with
 * what the file holds. Only for the names below, so that no other program's `…_FILE` is ever read.
 */
import { readFileSync } from 'node:fs';
import { messageOf } from '#core/errors';
import type { Environment } from './file.ts';
import { ConfigError } from './problem.ts';

const NAMES = [
  'DATABASE_URL',
  'REVOAGENT_REDIS_CACHE_URL',
  'REVOAGENT_REDIS_STATE_URL',
  ...['OPENAI', 'ANTHROPIC', 'GEMINI', 'GOOGLE', 'OPENROUTER', 'GROQ', 'MISTRAL', 'DEEPSEEK', 'TOGETHER', 'XAI'].map(
    (vendor) => `${vendor}_API_KEY`,
  ),
];

/** Throws `ConfigError` where a file cannot be read, is empty, or a variable is given both ways; never with what a file holds. */
export function withSecretFiles(env: Environment): Environment {
  const read: Record<string, string> = {};
  const problems: { path: string; origin: string; message: string }[] = [];
  for (const name of NAMES) {
    const file = env[`${name}_FILE`];
    if (file === undefined || file === '') continue;
    const refuse = (message: string): void => void problems.push({ path: '', origin: `env ${name}_FILE`, message });
    if ((env[name] ?? '') !== '') refuse(`${name} is set as well; leave one of them out`);
    try {
      read[name] = readFileSync(file, 'utf8').trim();
      if (read[name] === '') refuse(`${file} is empty`);
    } catch (error) {
      refuse(messageOf(error));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...env, ...read };
}
