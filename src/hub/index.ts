/**
 * What the command line may see of the hub. What serves or opens a database is loaded when it is asked for: a command that does neither
 * loads half as many modules.
 */
import type { openHubAdmin as openAdmin } from './admin.ts';
import type { startHub as start } from './compose.ts';

export { readAdminKey } from './admin-key-file.ts';
export type { HubAdmin, KeySummary } from './admin.ts';
export type { HubOverrides } from './compose.ts';
export type { Hub } from './lifecycle.ts';
export { withExample } from './example-model.ts';
export { findLocalOllama } from './local-ollama.ts';
export { localRuns, runsAt } from './runs.ts';
export type { HubRuns } from './runs.ts';
export type { StartSummary } from './summary.ts';
export { readVersion } from './version.ts';
export { SCOPES } from '#contract/gateway';
export type { Scope } from '#contract/gateway';
export { generateKey } from '#gateway/keys';
export type { RunView } from '#http/wire/run';
export { providerKinds } from '#providers/index';

export const startHub: typeof start = async (...given) => (await import('./compose.ts')).startHub(...given);

export const openHubAdmin: typeof openAdmin = async (...given) => (await import('./admin.ts')).openHubAdmin(...given);
