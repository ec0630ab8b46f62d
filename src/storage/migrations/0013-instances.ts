/** Who serves, for the time in which the Redis that knows it does not answer. */
export const instances = {
  name: '0013-instances',
  statements: [`create table instances (incarnation text primary key, until_ms bigint not null)`],
} as const;
