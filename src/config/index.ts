/** The configuration room as others use it. */
export { changesBetween } from './changes.ts';
export type { Changes } from './changes.ts';
export type { Discovered } from './discover.ts';
export { configJson } from './document.ts';
export { ENVIRONMENT, loadConfig } from './load.ts';
export type { Loaded, LoadOptions } from './load.ts';
export { printedValues } from './print.ts';
export { ConfigError, lineOf } from './problem.ts';
export type { Problem } from './problem.ts';
export type { Config, KindSchema, ProviderConfig, RouteConfig } from './schema.ts';
