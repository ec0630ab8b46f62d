/** What the command line may use of this room. */
export { checkSite } from './check/report.ts';
export type { CheckReport, CheckTarget } from './check/report.ts';
export { runningSite, startOwnStack } from './check/sites.ts';
export type { OwnStack, OwnStackOptions } from './check/sites.ts';
export type { Row as CheckRow } from './check/site.ts';
export { callStack } from './control.ts';
export { HUBS_MAX, HUBS_MIN } from './layout.ts';
export { nginxConfig } from './nginx/config.ts';
export { defaults as nginxDefaults, parseVersion } from './nginx/options.ts';
export type { NginxInstance, NginxOptions } from './nginx/options.ts';
export type { StackEvent } from './part.ts';
export { controlFile, planStack, runStack } from './run.ts';
export type { RunOptions } from './run.ts';
export type { StackPlan } from './plan.ts';
export type { StackStatus } from './stack.ts';
