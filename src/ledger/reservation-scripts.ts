/** The steps of reservations in Redis. A hash holds one instance's; a sorted set holds who lives until when, by Redis's own clock. */
import type { Script } from '#redis/index';

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** KEYS: owners. ARGV: owner, life. Returns 1 where it was not known. */
export const beatOwner: Script = {
  name: 'ledger-beat',
  lua: `${NOW}return redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])`,
};

/** KEYS: hash. ARGV: how many it may hold, then ids and texts. Returns for each whether it was taken, 1 or 0; one that is in it always is. */
export const put: Script = {
  name: 'ledger-put',
  lua: `
local room = tonumber(ARGV[1]) - redis.call('HLEN', KEYS[1])
local taken = {}
for i = 2, #ARGV, 2 do
  local known = redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1
  if known or room > 0 then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    table.insert(taken, 1)
    if not known then room = room - 1 end
  else
    table.insert(taken, 0)
  end
end
return taken`,
};

/** KEYS: hash, ARGV: ids. With KEYS: hash, owners and ARGV: owner: all of it. */
export const forget: Script = {
  name: 'ledger-forget',
  lua: `
if #KEYS == 2 then
  redis.call('DEL', KEYS[1])
  return redis.call('ZREM', KEYS[2], ARGV[1])
end
return redis.call('HDEL', KEYS[1], unpack(ARGV))`,
};

/** KEYS: hash. ARGV: cursor, about how many. Returns the next cursor, then ids and texts. */
export const scan: Script = {
  name: 'ledger-scan',
  lua: `
local found = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
table.insert(found[2], 1, found[1])
return found[2]`,
};

/** KEYS: owners. ARGV: who asks, how long it may take. Returns one whose life is over, and gives it the time that its taking needs. */
export const takeDead: Script = {
  name: 'ledger-take-dead',
  lua: `${NOW}
for _, owner in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, 2)) do
  if owner ~= ARGV[1] then
    redis.call('ZADD', KEYS[1], now + ARGV[2], owner)
    return owner
  end
end
return false`,
};
