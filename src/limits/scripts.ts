/**
 * What Redis does in one step, as Lua: `window.ts`, `calendar.ts` and `memory-store.ts` once more, on the clock of the server (TIME), so
 * that no instance's clock matters. A window is a hash: `n` what is in it, `h` and `t` its first and last slot, `a<slot>` and `l<slot>`
 * what is in a slot and its last time. Slots are numbered from the time on, so that a number never comes again. Places are a sorted set
 * by the time they end, a budget is a hash of its first day (`p`), what is spent (`s`) and when it was begun with what the database had
 * (`g`, its generation; hubs before that was kept begin one without). What the calls of a group took from budgets is
 * kept for a minute under the first one's id, as its amount and the budgets' first days: who was not answered in time takes it back by
 * that, and leaves '' behind for a reservation that is still on its way. Needs Redis 7 (script flags).
 */
import type { Script } from '#redis/index';
import { DAY_MS } from './calendar.ts';
import { PLACE_WAIT_MS } from './memory-store.ts';
import { SHARES, SLOTS, SLOTS_MAX } from './window.ts';

/** A Redis that hung is told what to take back as soon as it answers, which is within seconds. */
const RESERVED_MS = 60_000;

/** ARGV[1]: the window in milliseconds. */
const PRELUDE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[1])
local sixtieth = math.max(1, math.floor(window / ${SLOTS}))

-- What is in it, its first slot, its last one, and the time of the first; slots that count no more are gone.
local function trimmed(key)
  local found = redis.call('HMGET', key, 'n', 'h', 't')
  if not found[1] then return 0, now + 1, now, nil end
  local used, first, last = tonumber(found[1]), tonumber(found[2]), tonumber(found[3])
  local begun, oldest = first, nil
  while first <= last do
    local slot = redis.call('HMGET', key, 'l' .. first, 'a' .. first)
    oldest = tonumber(slot[1])
    -- One from far ahead was made before the server's clock was put back: it would count until that time has come again.
    if oldest + window > now and oldest <= now + window then break end
    used = used - tonumber(slot[2])
    redis.call('HDEL', key, 'l' .. first, 'a' .. first)
    first = first + 1
    oldest = nil
  end
  if first > begun then redis.call('HSET', key, 'n', used, 'h', first) end
  return used, first, last, oldest
end

-- With what trimmed gave just now.
local function put(key, amount, max, used, first, last)
  local slot = first <= last and redis.call('HMGET', key, 'l' .. last, 'a' .. last) or {}
  local held = tonumber(slot[2])
  local fits = held and math.floor(slot[1] / sixtieth) == math.floor(now / sixtieth)
    and (held + amount <= max / ${SHARES} or last - first + 1 >= ${SLOTS_MAX})
  if not fits then
    last = last + 1
    held = 0
  end
  redis.call('HSET', key, 'n', used + amount, 'h', first, 't', last, 'l' .. last, now, 'a' .. last, held + amount)
  redis.call('PEXPIRE', key, window)
  return last
end
`;

/** Of the period that holds the time `now`. The month by Hinnant's civil_from_days (howardhinnant.github.io/date_algorithms.html). */
export const DAYS = `
-- Days since 1970: the first, and the first that is no longer in it.
local function days(kind)
  local day = math.floor(now / ${DAY_MS})
  if kind == 'd' then return day, day + 1 end
  if kind == 'k' then
    local start = day - (day + 3) % 7
    return start, start + 7
  end
  local z = day + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local month = math.floor((5 * doy + 2) / 153)
  local start = day - (doy - math.floor((153 * month + 2) / 5))
  local year = yoe + era * 400 + (month >= 10 and 1 or 0)
  local leap = (year % 4 == 0 and year % 100 ~= 0) or year % 400 == 0
  local length = ({31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, leap and 29 or 28})[month + 1]
  return start, start + length
end
`;

/**
 * Several groups of calls in one step. The calls of a group are held against the same rules: where their sum has room they are let in together,
 * which costs what one of them costs, else one after the other, each as if it came alone. KEYS for each group: one a rule, and what is kept of
 * what it took. ARGV: window, and for each group: lease in ms, how many rules, how many calls, for each call: id ('' only looks), tokens,
 * micro-dollars, and for each rule: kind (r, t, c, or d, k, m for a budget of a day, a week, a month), its limit, the seed of a budget ('' for
 * none). Replies for each group {of all calls together} or {of each}: {1 granted | 0 refused | -1 unseeded, now, and for each rule: used,
 * reset (-1: never), refused, mark, generation}.
 */
export const RESERVE: Script = {
  name: 'limits-reserve',
  lua: `#!lua
${PRELUDE}
${DAYS}
-- Until the amount has room, slot by slot from the oldest; -1 where it never has.
local function wait(key, over, first, last)
  for slot = first, last do
    over = over - tonumber(redis.call('HGET', key, 'a' .. slot))
    if over <= 0 then return tonumber(redis.call('HGET', key, 'l' .. slot)) + window - now end
  end
  return -1
end

-- What is spent of a budget, its generation and its period's first day and end; begun where it is new, unless nobody said with what.
local function budget(key, kind, seed, looks)
  local start, finish = days(kind)
  local found = redis.call('HMGET', key, 'p', 's', 'g')
  local generation = tonumber(found[3] or 0)
  if found[1] and tonumber(found[1]) >= start then return tonumber(found[2]), generation, start, finish end
  if not found[1] and seed == '' then return nil, 0, start, finish end
  local used = found[1] and 0 or tonumber(seed)
  if not looks then
    redis.call('HSET', key, 'p', start, 's', used)
    if not found[1] then
      generation = now
      redis.call('HSET', key, 'g', now)
    end
    redis.call('PEXPIRE', key, (finish + 1) * ${DAY_MS} - now)
  end
  return used, generation, start, finish
end

-- The calls of a group from the first to the last, as one: by all of its rules or by none.
local function reserve(group, first, last)
  local looks = ARGV[group.calls] == ''
  local amounts = {r = looks and 0 or last - first + 1, t = 0, usd = 0}
  amounts.c = amounts.r
  for call = first, last do
    local at = group.calls + (call - 1) * 3
    amounts.t, amounts.usd = amounts.t + ARGV[at + 1], amounts.usd + ARGV[at + 2]
  end
  local status, reply = 1, {0, now}
  local windows, spends = {}, {}
  for i = 1, group.count do
    local key, at, place = KEYS[group.keys + i], group.rules + (i - 1) * 3, (i - 1) * 5 + 2
    local kind, max = ARGV[at], tonumber(ARGV[at + 1])
    local amount = amounts[kind] or amounts.usd
    local used, reset, refused, mark, generation = 0, 0, 0, 0, 0
    if kind == 'c' then
      redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
      used = redis.call('ZCARD', key)
      if used + amount > max then refused, reset = 1, ${PLACE_WAIT_MS} end
    elseif kind == 'r' or kind == 't' then
      local head, tail, oldest
      used, head, tail, oldest = trimmed(key)
      windows[i] = {used, head, tail}
      if used + amount > max then
        refused, reset = 1, wait(key, used + amount - max, head, tail)
      elseif oldest then
        reset = oldest + window - now
      elseif amount > 0 then
        reset = window
      end
    else
      local finish
      used, generation, mark, finish = budget(key, kind, ARGV[at + 2], looks)
      if not used then used, status = 0, -1 end
      reset = finish * ${DAY_MS} - now
      if amount > 0 then table.insert(spends, mark) end
      if amount > 0 and used + amount > max then refused = 1 end
    end
    if refused == 1 and status == 1 then status = 0 end
    reply[place + 1], reply[place + 2], reply[place + 3] = used, reset, refused
    reply[place + 4], reply[place + 5] = mark, generation
  end

  if status == 1 and not looks and #spends > 0 then
    if redis.call('GET', group.record) == '' then
      status = 0
    else
      group.taken = group.taken + amounts.usd
      redis.call('SET', group.record, group.taken .. ' ' .. table.concat(spends, ' '), 'PX', ${RESERVED_MS})
    end
  end
  reply[1] = status
  if status ~= 1 or looks then return reply end

  for i = 1, group.count do
    local key, at, place = KEYS[group.keys + i], group.rules + (i - 1) * 3, (i - 1) * 5 + 2
    local kind, max = ARGV[at], tonumber(ARGV[at + 1])
    local amount = amounts[kind] or amounts.usd
    if kind == 'c' then
      local places = {}
      for call = first, last do
        table.insert(places, now + group.lease)
        table.insert(places, ARGV[group.calls + (call - 1) * 3])
      end
      redis.call('ZADD', key, unpack(places))
      -- Instances may have leases of different length.
      if redis.call('PTTL', key) < group.lease then redis.call('PEXPIRE', key, group.lease) end
    elseif windows[i] then
      reply[place + 4] = put(key, amount, max, unpack(windows[i]))
    else
      redis.call('HINCRBY', key, 's', amount)
    end
    reply[place + 1] = reply[place + 1] + amount
  end
  return reply
end

local replies = {}
local keys, args = 0, 2
while keys < #KEYS do
  local group = {lease = tonumber(ARGV[args]), count = tonumber(ARGV[args + 1]), keys = keys, calls = args + 3, taken = 0}
  local calls = tonumber(ARGV[args + 2])
  group.rules = group.calls + calls * 3
  group.record = KEYS[keys + group.count + 1]
  local found = {reserve(group, 1, calls)}
  if calls > 1 and found[1][1] == 0 then
    for call = 1, calls do found[call] = reserve(group, call, call) end
  end
  table.insert(replies, found)
  keys = keys + group.count + 1
  args = group.rules + group.count * 3
end
return replies
`,
};

/** Longest that what was not answered is told again. */
export const RECEIPT_MS = DAY_MS;

/**
 * KEYS: what was told by this instance, and one an amendment, and behind that of an undo its budgets'. ARGV: window, the number under which sums
 * of budgets are told ('' where there are none), how many numbers are never told again, those, and for each amendment: kind (w window, b budget, a add, l leave,
 * h hold, u undo), a mark or the id that is held, a number (what is added, the lease, how many ids or budgets), and the limit for `a`; for
 * `b` the generation, the whole and its age in ms; for `l` the ids. Goes on in a Redis that is full: it is what gives room back.
 */
export const AMEND: Script = {
  name: 'limits-amend',
  lua: `#!lua flags=allow-oom
${PRELUDE}
local number, done = ARGV[2], tonumber(ARGV[3])
local again = false
if number ~= '' then
  again = redis.call('SADD', KEYS[1], number) == 0
  if done > 0 then redis.call('SREM', KEYS[1], unpack(ARGV, 4, 3 + done)) end
  redis.call('PEXPIRE', KEYS[1], ${RECEIPT_MS})
end
local at, place = 4 + done, 2
while place <= #KEYS do
  local key = KEYS[place]
  local kind, mark, by, last = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  at = at + 4
  if kind == 'w' then
    if redis.call('HEXISTS', key, 'a' .. mark) == 1 then
      redis.call('HINCRBY', key, 'a' .. mark, by)
      redis.call('HINCRBY', key, 'n', by)
    end
  elseif kind == 'b' then
    local found = redis.call('HMGET', key, 'p', 'g')
    local generation = found[2] or '0'
    if again then
      -- Counted already.
    elseif found[1] == mark and generation == last then
      redis.call('HINCRBY', key, 's', by)
    elseif found[1] == mark and now - tonumber(ARGV[at + 1]) >= tonumber(generation) then
      redis.call('HINCRBY', key, 's', ARGV[at])
    end
    at = at + 2
  elseif kind == 'a' then
    local used, first, tail = trimmed(key)
    put(key, by, tonumber(last), used, first, tail)
  elseif kind == 'l' then
    redis.call('ZREM', key, unpack(ARGV, at, at + by - 1))
    at = at + by
  elseif kind == 'h' then
    redis.call('ZADD', key, now + by, mark)
    if redis.call('PTTL', key) < by then redis.call('PEXPIRE', key, by) end
  else
    local words = string.gmatch(redis.call('GET', key) or '', '%S+')
    local amount = words()
    redis.call('SET', key, '', 'PX', ${RESERVED_MS})
    for _ = 1, by do
      place = place + 1
      if amount and redis.call('HGET', KEYS[place], 'p') == words() then redis.call('HINCRBY', KEYS[place], 's', -amount) end
    end
  end
  place = place + 1
end
`,
};
