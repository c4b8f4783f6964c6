-- The rate windows and the pauses.
-- The org's window holds `limit` grants at most, and must outlive any jump of Redis' clock.
local WINDOW_KEPT_MS = 400 * 24 * 3600 * 1000
-- Grants of a window that count now: the others are forgotten.
-- Whoever takes grants has a margin of its own, and this is the widest (MARGIN_WIDE_MS of worker/grant.c): what lies further ahead
-- is of a time when `clock` was another one.
local MARGIN_WIDEST_MS = 10000
local function used(window, window_ms, now)
  call('ZREMRANGEBYSCORE', window, '-inf', now - window_ms - 1)
  call('ZREMRANGEBYSCORE', window, now + window_ms + MARGIN_WIDEST_MS, '+inf')
  return call('ZCARD', window)
end
-- How long until the oldest grant of a window leaves it; `otherwise` when there is none.
local function until_free(window, window_ms, now, otherwise)
  local oldest = call('ZRANGE', window, 0, 0, 'WITHSCORES')
  if not oldest[2] then return otherwise end
  return math.max(1, tonumber(oldest[2]) + window_ms - now + 1)
end
-- For how long a pause (`hold`: of the org, `poll:hold`: of asking for statuses) still lasts.
local function held_ms(name, now)
  local hold = call('GET', key(name))
  return hold and math.max(0, (tonumber(string.match(hold, '^%d+')) or 0) - now) or 0
end
-- A grant of the worker (ARGV[1] of every step that may return one) that was not used goes back to the window.
local function give_back(flag, ticket)
  if flag == '1' then redis.pcall('ZREM', key('window'), ARGV[1] .. '/' .. ticket) end
end
