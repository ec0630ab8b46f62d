/**
 * What Redis does in one step, as Lua. An entry is one string: a flag ("." or, once expired by hand, "x"), a header line, the payload.
 * `meta` holds the epoch, the number of the last invalidation, those of everything, and how long a lease may last; `m:<name>` holds the numbers of one tag or
 * prefix. A mark that is missing was evicted with what it knew: all that carries it is gone. Needs Redis 7 (script flags).
 */
import type { Script } from '#redis/index';

/** Announcements that the log keeps, about. */
const LOG_LENGTH = 1_000;
/** A mark outlives every fill that began before it: by so long the longest that a lease of the namespace may be renewed. */
const MARK_MS = 60_000;

/** KEYS[1]: what every key of the namespace begins with. An epoch is drawn from the server's time: it is never the same twice. */
const PRELUDE = `
local base = KEYS[1]
local meta = redis.call('HMGET', base .. 'meta', 'e', 'n', 'h', 's', 'l')
if not meta[1] then
  local now = redis.call('TIME')
  meta = {now[1] .. '.' .. now[2], '0', '0', '0'}
  redis.call('HSET', base .. 'meta', 'e', meta[1], 'n', 0, 'h', 0, 's', 0)
  redis.call('DEL', base .. 'log')
end
local epoch, number = meta[1], tonumber(meta[2])
local allHard, allSoft = tonumber(meta[3]), tonumber(meta[4])
local longest = tonumber(meta[5] or 0)

-- Marks that were read, where one call judges many entries and changes none.
local seen

-- 0: valid, 1: expired, 2: gone
local function judge(names, since, missing)
  if allHard > since then return 2 end
  local worst = allSoft > since and 1 or 0
  for at = 1, #names do
    local name = names[at]
    local mark = seen and seen[name]
    if not mark then
      mark = redis.call('HMGET', base .. 'm:' .. name, 'h', 's')
      if seen then seen[name] = mark end
    end
    if not mark[1] then
      if missing then return missing end
    else
      if tonumber(mark[1]) > since then return 2 end
      if tonumber(mark[2]) > since then worst = 1 end
    end
  end
  return worst
end
`;

/** Only where something is written: a read pays for every function that it does not use. */
const WRITES = `
local function extend(names, since, ms)
  for _, name in ipairs(names) do
    local key = base .. 'm:' .. name
    if redis.call('EXISTS', key) == 0 then
      redis.call('HSET', key, 'h', since, 's', since)
      redis.call('PEXPIRE', key, ms)
    else
      redis.call('PEXPIRE', key, ms, 'GT')
    end
  end
end

local function announce(origin, hard, name)
  redis.call('XADD', base .. 'log', 'MAXLEN', '~', ${LOG_LENGTH}, number .. '-0', 'o', origin, 'h', hard, 'm', name)
  redis.call('PUBLISH', base .. 'bus', epoch .. ' ' .. number .. ' ' .. origin .. ' ' .. hard .. ' ' .. name)
end

local function nextNumber()
  number = redis.call('HINCRBY', base .. 'meta', 'n', 1)
end
`;

/** The server's own time: an entry is as old as it says. */
const NOW = `
local function timeNow()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** What lies under an entry's key. */
const STORE = `
local now = timeNow()
local function store(key, since, age, header, payload, life)
  local born = string.format('%.0f', now - age)
  local head = '.' .. since .. ' ' .. epoch .. ' ' .. born .. ' ' .. header
  redis.call('SET', base .. 'e:' .. key, head .. '\\n' .. payload, 'PX', life)
end
`;

const script = (name: string, flags: string, body: string): Script => ({
  name,
  lua: `#!lua${flags === '' ? '' : ` flags=${flags}`}\n${PRELUDE}\n${body}`,
});

/** Of several entries; what would make the reply larger than this has to be asked for again. */
const REPLY_BYTES = 1024 * 1024;

/**
 * ARGV, three for each key: key, freshShare, and for who does not find it fresh "<token> <leaseMs> <leaseMsMax> <names of the known marks (JSON)>". Gives
 * epoch and number, then for each key kind, value, ageMs, judgement. Kinds: 0 hit, 1 leased, 2 missed, 3 nothing was done, because the
 * reply is full.
 */
export const ACQUIRE = script(
  'acquire',
  'allow-oom',
  `${NOW}
seen = {}
local lists = {['[]'] = {}}
local function listOf(json)
  local list = lists[json]
  if not list then
    local whole
    whole, list = pcall(cjson.decode, json)
    if not whole or type(list) ~= 'table' then return nil end
    lists[json] = list
  end
  return list
end

-- What is in every loop is local: a global is looked up each time.
local call, match, tonumber = redis.call, string.match, tonumber
local entries, now = base .. 'e:', timeNow()

local function lease(key, asked, fresh)
  local token, leaseMs, most, marks = match(asked, '^(%S+) (%d+) (%d+) (.*)$')
  if leaseMs == '0' then return fresh and 0 or 2 end
  if tonumber(most) > longest then
    longest = tonumber(most)
    call('HSET', base .. 'meta', 'l', most)
  end
  local leaseKey, mine = base .. 'l:' .. key, token .. ' ' .. number
  local there = call('SET', leaseKey, mine, 'NX', 'GET', 'PX', leaseMs)
  if not there then return 1 end
  if judge(listOf(marks), tonumber(match(there, ' (%d+)$')), nil) == 0 then return fresh and 0 or 2 end
  call('SET', leaseKey, mine, 'PX', leaseMs)
  return 1
end

local reply, bytes, at = {epoch, number}, 0, 2
for first = 1, #ARGV, 3 do
  local kind, value, age, judgement = 3, false, 0, 0
  if bytes < ${REPLY_BYTES} then
    local key, fresh = ARGV[first], false
    value, kind, judgement = call('GET', entries .. key), nil, 2
    if value then
      local flag, since, itsEpoch, born, ttl, its = match(value, '^(.)(%d+) (%S+) (%d+) (%d+) [^\\n]-(%[[^\\n]*)\\n')
      if itsEpoch == epoch then
        ttl, age = tonumber(ttl), now - born
        if age < 0 then age = 0 end
        local names = listOf(its)
        -- A header that is not whole is no entry, and the others are asked for all the same.
        judgement = names and judge(names, tonumber(since), 2) or 2
        if judgement == 0 and flag == 'x' then judgement = 1 end
        fresh = judgement == 0 and age < ttl
        if fresh and age <= ARGV[first + 1] * ttl then kind = 0 end
      end
      if judgement == 2 then value = false end
    end
    kind = kind or lease(key, ARGV[first + 2], fresh)
  end
  if value then bytes = bytes + #value end
  reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4] = kind, value, age, judgement
  at = at + 4
end
return reply
`,
);

/** ARGV, nine for each key: key, token, stamp's epoch, stamp's number, age in ms, header, payload, life left in ms, marks (JSON). Gives 1 where it is stored. */
export const PUT = script(
  'put',
  '',
  `${WRITES}${NOW}${STORE}
local call, match = redis.call, string.match
local function put(key, token, itsEpoch, since, age, header, payload, life, names)
  local leaseKey = base .. 'l:' .. key
  local lease = call('GET', leaseKey)
  if not lease or match(lease, '^%S+') ~= token then return 0 end
  call('DEL', leaseKey)
  local marks = names == '[]' and {} or cjson.decode(names)
  if itsEpoch ~= epoch or judge(marks, tonumber(since), nil) == 2 then return 0 end
  extend(marks, since, life + ${MARK_MS})
  store(key, since, age, header, payload, life)
  return 1
end

local reply = {}
for first = 1, #ARGV, 9 do
  reply[#reply + 1] = put(unpack(ARGV, first, first + 8))
end
return reply
`,
);

/** ARGV: key, origin, age in ms, header, payload, life left in ms, marks (JSON). */
export const SET = script(
  'set',
  '',
  `${WRITES}${NOW}${STORE}
nextNumber()
redis.call('DEL', base .. 'l:' .. ARGV[1])
extend(cjson.decode(ARGV[7]), number, ARGV[6] + ${MARK_MS})
store(ARGV[1], number, ARGV[3], ARGV[4], ARGV[5], ARGV[6])
announce(ARGV[2], 1, 'k:' .. ARGV[1])
return 1
`,
);

/** ARGV: origin, then hard (1 or 0) and name by turns. */
export const INVALIDATE = script(
  'invalidate',
  'allow-oom',
  `${WRITES}
for index = 2, #ARGV, 2 do
  local hard, name = ARGV[index], ARGV[index + 1]
  nextNumber()
  local field = hard == '1' and 'h' or 's'
  if name == '*' then
    redis.call('HSET', base .. 'meta', field, number)
  elseif string.sub(name, 1, 2) == 'k:' then
    local key = string.sub(name, 3)
    redis.call('DEL', base .. 'l:' .. key)
    if hard == '1' then redis.call('UNLINK', base .. 'e:' .. key)
    elseif redis.call('EXISTS', base .. 'e:' .. key) == 1 then redis.call('SETRANGE', base .. 'e:' .. key, 0, 'x') end
  else
    extend({name}, number, longest + ${MARK_MS})
    redis.call('HSET', base .. 'm:' .. name, field, number)
  end
  announce(ARGV[1], hard, name)
end
return 1
`,
);

/** ARGV: key, token, leaseMs. */
export const RENEW = script(
  'renew',
  'allow-oom',
  `
local leaseKey = base .. 'l:' .. ARGV[1]
local lease = redis.call('GET', leaseKey)
if not lease or string.match(lease, '^%S+') ~= ARGV[2] then return 0 end
redis.call('PEXPIRE', leaseKey, ARGV[3])
return 1
`,
);

/** ARGV: key, token. */
export const RELEASE = script(
  'release',
  'allow-oom',
  `
local leaseKey = base .. 'l:' .. ARGV[1]
local lease = redis.call('GET', leaseKey)
if lease and string.match(lease, '^%S+') == ARGV[2] then redis.call('DEL', leaseKey) end
return 1
`,
);

export const POSITION = script('position', 'allow-oom', `return {epoch, number}`);

/** ARGV: the position's epoch, its number. Gives {epoch, number, number, origin, hard, name, …}, or nothing if too much was lost. */
export const SINCE = script(
  'since',
  'allow-oom',
  `
local from = tonumber(ARGV[2])
if ARGV[1] ~= epoch or from > number then return false end
local reply = {epoch, number}
if from == number then return reply end
local entries = redis.call('XRANGE', base .. 'log', '(' .. from .. '-0', '+')
if #entries == 0 or entries[1][1] ~= (from + 1) .. '-0' then return false end
for _, entry in ipairs(entries) do
  local fields = entry[2]
  reply[#reply + 1] = string.match(entry[1], '^%d+')
  reply[#reply + 1] = fields[2]
  reply[#reply + 1] = fields[4]
  reply[#reply + 1] = fields[6]
end
return reply
`,
);
