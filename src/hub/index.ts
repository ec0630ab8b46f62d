/** What the command line may see of the hub. */
export { openHubAdmin } from './admin.ts';
export type { HubAdmin, KeySummary } from './admin.ts';
export { startHub } from './compose.ts';
export type { HubOverrides } from './compose.ts';
export type { Hub } from './lifecycle.ts';
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
