/** What the command line may use of this room. */
export { nginxConfig } from './nginx/config.ts';
export { defaults as nginxDefaults, parseVersion } from './nginx/options.ts';
export type { NginxInstance, NginxOptions } from './nginx/options.ts';
