-- In front of every script. KEYS[1] is `herald:{org}`: its hash tag puts all keys of an org on one slot, so a script
-- may name the others itself. Time is Redis' own, so that skewed machines agree.
-- There are two times. wall_ms is the clock of Redis' machine: for instants that people name or read. now_ms is the org's
-- own and never jumps: for leases, windows and pauses, whose lengths must not depend on somebody setting a clock.
local call = redis.call
local function key(name) return KEYS[1] .. ':' .. name end
-- The lists by the letter that an envelope in flight has in front.
local lists = {H = 'ready:high', N = 'ready', L = 'ready:low'}
local function wall_ms()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
-- `clock` has both times as they were at the last tick. Workers tick at least once a second; between ticks now_ms goes
-- along with Redis' clock, and stands still when that has moved by more than workers are ever silent, until one ticks
-- who knows better.
local SILENCE_MS, NOTICED_MS, STRAY_MS, STRAYS = 3000, 1000, 24 * 3600 * 1000, 500
local function read_clock()
  local at, wall = call('HMGET', key('clock'), 'now', 'wall'), wall_ms()
  local now = tonumber(at[1]) or wall
  return now, wall - (tonumber(at[2]) or wall), wall
end
local function now_ms()
  local now, passed = read_clock()
  if passed < 0 or passed > SILENCE_MS then return now end
  return now + passed
end
-- For those who only look, or ask while no worker ticks.
local function seen_ms()
  local now, passed = read_clock()
  return now + math.max(0, passed)
end
-- What was put off while Redis' clock was ahead would wait until it is that late again, so it comes forward by as much.
-- A message that has a time of its own, and comes forward with the rest, is put back where it belongs by whoever takes it.
local function bring_back_strays()
  local by = tonumber(call('HGET', key('clock'), 'stray_by'))
  if not by then return end
  local from, to = unpack(call('HMGET', key('clock'), 'stray_from', 'stray_to'))
  local strays = call('ZRANGEBYSCORE', key('delayed'), from, to, 'WITHSCORES', 'LIMIT', 0, STRAYS)
  for i = 1, #strays, 2 do
    call('ZADD', key('delayed'), string.format('%.0f', tonumber(strays[i + 1]) - by), strays[i])
  end
  if #strays < 2 * STRAYS then call('HDEL', key('clock'), 'stray_by', 'stray_from', 'stray_to')
  else call('HSET', key('clock'), 'stray_from', strays[#strays]) end
end
-- Moves the org's time on. It should be between `least` and `most` by the count of a worker that has heard it before and has
-- a clock that nobody sets (0: it has not); what Redis' clock has moved beyond that is a jump, and does not count.
local function tick(least, most)
  local now, passed, wall = read_clock()
  local next_ms = now + math.max(0, passed)
  if most > 0 and (passed < 0 or next_ms > most + NOTICED_MS) then next_ms = math.max(now, least) end
  if passed < -NOTICED_MS then
    call('HSET', key('clock'), 'stray_by', string.format('%.0f', -passed), 'stray_from', string.format('%.0f', wall),
      'stray_to', string.format('%.0f', wall - passed + STRAY_MS))
  end
  call('HSET', key('clock'), 'now', string.format('%.0f', next_ms), 'wall', string.format('%.0f', wall))
  bring_back_strays()
  return next_ms
end
-- A script that breaks off half-way is not undone. So each one looks at the keys it will write before it changes
-- anything: an error of a wrong type then comes while everything is still in its place.
local function expect(command, ...)
  for _, name in ipairs({...}) do call(command, key(name)) end
end
-- Adds up what a batch changes, so that each counter is written once however long the batch is.
local sums = {}
local function count(hash, field, by)
  local of = sums[hash]
  if not of then of = {} sums[hash] = of end
  of[field] = (of[field] or 0) + by
end
-- A campaign's hash goes away some time after its last message, but not while it holds something back: what is paused
-- waits for ever, and a cancelled one is remembered for longer than any message may wait.
local CANCELLED_MS = 400 * 24 * 3600 * 1000
local function keep(hash, keep_ms)
  local state = redis.pcall('HGET', key(hash), 'state')
  if state == 'paused' then call('PERSIST', key(hash))
  else call('PEXPIRE', key(hash), state == 'cancelled' and CANCELLED_MS or keep_ms) end
end
local function write_counts(keep_ms)
  for hash, of in pairs(sums) do
    for field, by in pairs(of) do redis.pcall('HINCRBY', key(hash), field, by) end
    if hash ~= 'counts' then keep(hash, keep_ms) end
  end
end
-- A message leaves the hands of a worker: counted for the org and its campaign, and as accepted if a plain LPUSH
-- brought it, since nobody could count it then.
local function settle(campaign, is_new, what)
  if is_new == '1' then
    count('counts', 'accepted', 1)
    if campaign ~= '' then count('campaign:' .. campaign, 'accepted', 1) end
  end
  count('counts', what, 1)
  if campaign ~= '' then count('campaign:' .. campaign, what, 1) end
end
-- A grant of the worker (ARGV[1] of every step that may return one) that was not used goes back to the window.
local function give_back(flag, ticket)
  if flag == '1' then redis.pcall('ZREM', key('window'), ARGV[1] .. '/' .. ticket) end
end
-- Every beat of any worker is the org's pulse. When it has been silent for half a lease, Redis was away or all workers
-- were, and leases have run out that nobody gave up: for one lease nobody is reaped, so that whoever is alive can say so.
-- Both keys are one number for the org, and stay: what Redis expires goes by its own clock, which jumps.
local function pulse(now, lease_ms)
  local last = tonumber(call('GET', key('pulse')) or 0)
  if math.abs(now - last) > lease_ms / 2 then call('SET', key('calm'), string.format('%.0f', now + lease_ms)) end
  call('SET', key('pulse'), string.format('%.0f', now))
end
local function is_calm(now) return tonumber(call('GET', key('calm')) or 0) > now end
