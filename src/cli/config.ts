/** `config print` and `config check`. */
import { ConfigError, lineOf, printedValues } from '#config/index';
import { loadAndLook } from './load.ts';
import { writeJson } from './options.ts';
import type { CommonOptions } from './options.ts';

export async function printConfig(options: CommonOptions): Promise<void> {
  const values = printedValues(await loadAndLook(options));
  if (options.json === true) {
    writeJson(values);
    return;
  }
  const width = Math.max(...values.map(({ path, value }) => path.length + JSON.stringify(value).length + 3));
  for (const { path, value, origin } of values)
    console.log(`${`${path} = ${JSON.stringify(value)}`.padEnd(width)}  # ${origin}`);
}

export async function checkConfig(options: CommonOptions): Promise<void> {
  try {
    const { file, config } = await loadAndLook(options);
    const providers = Object.keys(config.providers);
    const routes = Object.keys(config.routes);
    if (options.json === true) writeJson({ valid: true, file, providers, routes, problems: [] });
    else
      console.log(
        `${file ?? 'The configuration (no file)'} is valid: providers ${providers.join(', ')}; routes ${routes.join(', ')}.`,
      );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.exitCode = 1;
    if (options.json === true) writeJson({ valid: false, problems: error.problems });
    else for (const problem of error.problems) console.error(lineOf(problem));
  }
}
