/** What commands share: their options, and how they write for machines. Loads nothing that only some need. */
import { InvalidArgumentError, Option } from 'commander';

/**
 * Ctrl+C goes to all processes in front of a terminal, and whoever started this one (npm, or an older Node) hands it on once more: that is
 * one wish to end, and nobody's second.
 */
export const TOLD_TWICE_MS = 500;

export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** What leads to a hub's data. */
export interface StoreOptions extends CommonOptions {
  readonly dataDir?: string;
}

export interface ServeOptions extends StoreOptions {
  readonly port?: string;
  readonly host?: string;
}

/** Of a file or folder. A variable that nobody gave a value to is the empty text, and would name the working folder. */
export function pathOf(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It is empty: name one, or leave the option out.');
}

export const configOption = (): Option =>
  new Option('-c, --config <file>', 'configuration file (default: revoagent.yaml, where there is one)').argParser(
    pathOf,
  );
export const dataDirOption = (): Option =>
  new Option('--data-dir <folder>', 'folder of the embedded database').argParser(pathOf);
export const jsonOption = (): Option => new Option('--json', 'write JSON for machines');

/** One JSON document on one line. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
