/** What a person reads after the start: what was found, who may reach it, and a command that works as it is. */
import path from 'node:path';
import type { Config } from '#config/index';
import type { StartSummary } from '#hub/index';
import type { StoreOptions } from './options.ts';

/**
 * What makes a key for this hub from any folder: what it was started with, in whole paths. In another folder the embedded database of
 * a relative path would be another one, and the hub would go on without a key.
 */
export function keyCommand({ config, dataDir }: StoreOptions, { storage }: Config): string {
  const elsewhere = config !== undefined && storage.url === undefined && !path.isAbsolute(storage.dataDir);
  const folder = dataDir ?? (elsewhere ? storage.dataDir : undefined);
  return [
    'npx revoagent keys create --name me',
    ...(config === undefined ? [] : ['-c', quoted(path.resolve(config))]),
    ...(folder === undefined ? [] : ['--data-dir', quoted(path.resolve(folder))]),
  ].join(' ');
}

/** For a shell, where it would read more in it than a name. */
function quoted(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

export function banner(summary: StartSummary, makeKey: string, colours: boolean): string {
  const bold = (text: string): string => (colours ? `\u001B[1m${text}\u001B[22m` : text);
  const dim = (text: string): string => (colours ? `\u001B[2m${text}\u001B[22m` : text);
  const { url, version, keyless, storage, providers, exampleModel } = summary;
  const width = Math.max(...providers.map(({ name }) => name.length));
  const row = (name: string, value: string): string => `  ${name.padEnd(11)} ${value}`;
  const authorization = keyless ? '' : ` \\\n    -H 'authorization: Bearer rvk_…'`;
  return [
    '',
    `${bold(`reVoAgent ${version}`)} listens on ${bold(url)}`,
    '',
    ...providers.map(({ name, kind, address, because }, index) =>
      row(index === 0 ? 'providers' : '', `${name.padEnd(width)}  ${kind}, ${address}  ${dim(`(${because})`)}`),
    ),
    row('storage', storage),
    row('keys', keyless ? `none yet: only this machine is served. Make one: ${bold(makeKey)}` : 'required'),
    row('status', `${url}/`),
    row('API', `${url}/docs`),
    '',
    ...(exampleModel === null
      ? ['Try, for the names of models:', `  curl ${url}/v1/models${authorization}`]
      : [
          'Try:',
          `  curl ${url}/v1/chat/completions -H 'content-type: application/json'${authorization} \\`,
          `    -d '{"model": "${exampleModel}", "messages": [{"role": "user", "content": "Hello"}]}'`,
        ]),
    '',
  ].join('\n');
}
