/** What the command line may see of the hub. */
export { startHub } from './compose.ts';
export type { Hub, HubOverrides, StartSummary } from './compose.ts';
export { openHubAdmin } from './admin.ts';
export type { HubAdmin } from './admin.ts';
export { readVersion } from './version.ts';
export { providerKinds } from '#providers/index';
export { generateKey } from '#gateway/keys';
