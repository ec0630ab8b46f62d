/** What a person reads after the start: what was found, who may reach it, and a command that works as it is. */
import type { StartSummary } from '#hub/index';

export function banner(summary: StartSummary, colours: boolean): string {
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
    row(
      'keys',
      keyless
        ? `none yet: only this machine is served. Make one: ${bold('npx revoagent keys create --name me')}`
        : 'required',
    ),
    row('status', `${url}/`),
    row('API', `${url}/docs`),
    '',
    'Try:',
    `  curl ${url}/v1/chat/completions -H 'content-type: application/json'${authorization} \\`,
    `    -d '{"model": "${exampleModel}", "messages": [{"role": "user", "content": "Hello"}]}'`,
    '',
  ].join('\n');
}
