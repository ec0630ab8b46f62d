/** The names of environment variables and what they set. Which of them are set is for load.ts to read. */

/** Environment variables and what they set. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  REVOAGENT_HOST: 'server.host',
  REVOAGENT_PORT: 'server.port',
  REVOAGENT_INSTANCE: 'server.instance',
  REVOAGENT_DATA_DIR: 'storage.dataDir',
  REVOAGENT_ADMIN_KEY_FILE: 'security.adminKeyFile',
  REVOAGENT_LOG_LEVEL: 'logging.level',
  REVOAGENT_LOG_FORMAT: 'logging.format',
  DATABASE_URL: 'storage.url',
  REVOAGENT_REDIS_CACHE_URL: 'redis.cacheUrl',
  REVOAGENT_REDIS_STATE_URL: 'redis.stateUrl',
  REVOAGENT_REDIS_CA_FILE: 'redis.tls.caFile',
};
export const FILE_VARIABLE = 'REVOAGENT_CONFIG';
/** They set nothing by themselves: the file's name, what clients of a hub read, and files that secret-files.ts has read. */
export const NO_SETTINGS: readonly string[] = [
  FILE_VARIABLE,
  'REVOAGENT_URL',
  'REVOAGENT_KEY',
  'REVOAGENT_REDIS_CACHE_URL_FILE',
  'REVOAGENT_REDIS_STATE_URL_FILE',
];

/**
 * Kubernetes tells every pod about a Service named "revoagent" in variables of its own (REVOAGENT_PORT=tcp://10.0.0.7:12001,
 * REVOAGENT_SERVICE_HOST, …); nobody set them, and a hub that took them for its own would not start.
 */
export function isServiceLink(name: string, text = ''): boolean {
  return (
    /^REVOAGENT_(SERVICE_(HOST|PORT)|PORT_\d+_)/.test(name) || (name === 'REVOAGENT_PORT' && /^(tc|ud)p:/.test(text))
  );
}
