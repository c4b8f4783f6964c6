-- Ends attempts of callbacks. ARGV: most that may be dead, then for each: id, host, `done`, `later` or `dead`, delay in ms of
-- a later one, what is to be posted as it now stands (not for done), why it is dead, `up`, `down` or '' for what that says of
-- the host, for how long the host asked to be left alone in ms or 0, chance (0 to 65535).
-- A host that fails again and again is left alone for a time that doubles. Repeating it
-- changes nothing: a host is judged only by who has the lease, and what has ended is not there any more.
-- Parts: callbacks
local FIRST_MS, LONGEST_MS = 2000, 60000 -- pauses of a host
local dead_max, now = tonumber(ARGV[1]), now_ms()
expect('HLEN', 'callbacks:jobs', 'callbacks:trouble', 'callbacks:counts')
expect('ZCARD', 'callbacks:hosts', 'callbacks:leased', 'callbacks:dead')
local function sum(field, by) call('HINCRBY', key('callbacks:counts'), field, by) end
local function judge(host, id, verdict, wait_ms, chance)
  local failures, until_ms, trial = trouble_of(host)
  if trial == id then trial, until_ms = '', now end
  if verdict == 'up' then
    failures, until_ms, trial = 0, 0, ''
  elseif verdict == 'down' and now >= until_ms then -- what was under way when the pause began tells nothing new
    failures = failures + 1
    if failures >= CALLBACK_TROUBLE then
      local longest = math.min(LONGEST_MS, FIRST_MS * 2 ^ math.min(failures - CALLBACK_TROUBLE, 16))
      until_ms = now + math.floor(longest / 2 + longest / 2 * chance / 65535)
    end
  end
  if wait_ms > 0 then until_ms = math.max(until_ms, now + wait_ms) end
  if failures == 0 and until_ms <= now then call('HDEL', key('callbacks:trouble'), host)
  else call('HSET', key('callbacks:trouble'), host, int(failures) .. ' ' .. int(until_ms) .. ' ' .. trial) end
end
for i = 2, #ARGV, 9 do
  local id, host, outcome, job = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4]
  local own = key('callbacks:of:' .. host)
  local was_ours = call('ZREM', key('callbacks:leased'), id) == 1
  if outcome == 'later' then
    if call('ZSCORE', own, id) then
      call('HSET', key('callbacks:jobs'), id, job)
      call('ZADD', own, int(now + tonumber(ARGV[i + 3])), id)
      if was_ours then sum('retried', 1) end
    end
  elseif call('ZREM', own, id) == 1 then
    if outcome == 'done' then
      call('HDEL', key('callbacks:jobs'), id)
      sum('delivered', 1)
    else
      call('HSET', key('callbacks:jobs'), id, job)
      call('ZADD', key('callbacks:dead'), 0, id)
      sum('dead:' .. ARGV[i + 5], 1)
    end
  end
  if was_ours then judge(host, id, ARGV[i + 6], tonumber(ARGV[i + 7]), tonumber(ARGV[i + 8])) end
  look_at_host(host, now)
end
local over = call('ZCARD', key('callbacks:dead')) - dead_max
if over > 0 then
  for _, id in ipairs(call('ZRANGE', key('callbacks:dead'), 0, math.min(over, 1000) - 1)) do
    take_dead(id)
    call('HDEL', key('callbacks:jobs'), id)
    sum('forgotten', 1)
  end
end
return 1
