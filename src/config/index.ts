/** The configuration room as others use it. */
export { nearestOf } from './check.ts';
export { changesBetween } from './changes.ts';
export type { Changes } from './changes.ts';
export type { Discovered, LocalOllama } from './discover.ts';
export { configJson } from './document.ts';
export { settingsMarkdown } from './settings-page.ts';
export { clientKey, environmentWith, loadConfig } from './load.ts';
export type { Loaded } from './load.ts';
export { printedValues } from './print.ts';
export { ConfigError, lineOf } from './problem.ts';
export { loadReceivers } from './receivers.ts';
export type { Receiver, Receivers, Severity } from './receivers.ts';
export type { RouteConfig } from './routes.ts';
export type { Config } from './schema.ts';
export { makeFolder } from './make-folder.ts';
