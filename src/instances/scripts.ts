/**
 * What instances write in Redis, each in one step. Time is Redis's own: an instance's wall clock is never compared with another's. A
 * value is its end in milliseconds, a space and its text; 0 has no end.
 */
import type { Script } from '#redis/index';

/** Where the numbers of messages and leases come from. */
export const NUMBERS = 'revoagent:breakers:numbers';

/**
 * Numbers that only grow, also past a Redis that came back empty: its time in microseconds, which a double holds, or one more than the
 * last. So what was to be told earlier has its number among those that were given since.
 */
const NEXT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function number_of(ms_ago)
  return time[1] * 1000000 + time[2] - math.floor(ms_ago * 1000)
end
local function next_number(key)
  local number = math.max(number_of(0), tonumber(redis.call('GET', key) or 0) + 1)
  redis.call('SET', key, string.format('%.0f', number))
  return number
end
`;

/** KEYS: a hash. Returns what has not ended, as field, remaining time and text, and forgets the rest. */
const LIVE = `
local live = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local ends, text = string.match(all[i + 1], '^(%d+) (.*)$')
  ends = tonumber(ends)
  if ends == nil or (ends > 0 and ends <= now) then
    redis.call('HDEL', KEYS[1], all[i])
  else
    live[#live + 1] = all[i]
    live[#live + 1] = ends == 0 and 0 or ends - now
    live[#live + 1] = text
  end
end
return live
`;

/** ARGV: field, time to live, text; without a text the field goes. Answers with all that live. */
export const beat: Script = {
  name: 'instance-beat',
  lua: `${NEXT}
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now + ARGV[2]) .. ARGV[3])
end
${LIVE}`,
};

/**
 * KEYS: marks, numbers. ARGV: channel, field, time to live or '' for a field that goes, fields of the message, most marks, how long ago
 * it was to be told (0 is now), and a number that it is to follow. Beside a mark with a greater number it changes nothing.
 */
export const tell: Script = {
  name: 'evidence-tell',
  lua: `${NEXT}
local ago = tonumber(ARGV[6])
local number = ago == 0 and next_number(KEYS[2]) or math.max(number_of(ago), ARGV[7] + 1)
local newest = tonumber(string.match(redis.call('HGET', KEYS[1], ARGV[2]) or '', '^%d+ {"version":(%d+),') or 0)
if newest > number then return number end
local message = string.format('{"version":%.0f,', number) .. ARGV[4] .. '}'
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
elseif redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[5]) then
  local ends = tonumber(ARGV[3])
  redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f ', ends == 0 and 0 or now + ends) .. message)
end
redis.call('PUBLISH', ARGV[1], message)
return number`,
};

export const readMarks: Script = { name: 'evidence-read', lua: `${NEXT}${LIVE}` };

/** KEYS: lease, numbers. ARGV: its time. Returns the token, which is 0 where another holds it, and how long it is held. */
export const takeLease: Script = {
  name: 'probe-lease-take',
  lua: `${NEXT}
local held = redis.call('PTTL', KEYS[1])
if held > 0 then return {0, held} end
local token = next_number(KEYS[2])
redis.call('SET', KEYS[1], string.format('%.0f', token), 'PX', ARGV[1])
return {token, tonumber(ARGV[1])}`,
};

/** KEYS: lease. ARGV: token. Returns whether it was this token's. */
export const endLease: Script = {
  name: 'probe-lease-end',
  lua: `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1`,
};
