-- In front of every script; further parts (parts/*.lua) follow where the script's line `-- Parts: ...` names them.
-- KEYS[1] is `herald:{org}`: its hash tag puts all keys of an org on one slot, so a script
-- may name the others itself. Time is Redis' own, so that skewed machines agree.
-- There are two times. wall_ms is the clock of Redis' machine: for instants that people name or read. now_ms is the org's
-- own and never jumps: for leases, windows and pauses, whose lengths must not depend on somebody setting a clock.
local call = redis.call
-- Whole numbers as text: Redis prints a Lua number with 17 digits, which takes longer than most commands.
local function int(number) return string.format('%d', number) end
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
local SILENCE_MS = 3000
local function read_clock()
  local at, wall = call('HMGET', key('clock'), 'now', 'wall', 'stray_by'), wall_ms()
  local now = tonumber(at[1]) or wall
  return now, wall - (tonumber(at[2]) or wall), wall, at[3]
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
    for field, by in pairs(of) do
      local sum = redis.pcall('HINCRBY', key(hash), field, by)
      if by < 0 and type(sum) == 'number' and sum < 0 then call('HSET', key(hash), field, 0) end -- it expired meanwhile
    end
    if hash ~= 'counts' then keep(hash, keep_ms) end
  end
end
-- A message leaves the hands of a worker: counted for the org and its campaign, and as accepted if a plain LPUSH
-- brought it, since nobody could count it then. `times`: as many messages; 1 when it is left out.
local function settle(campaign, is_new, what, times)
  times = times or 1
  if is_new == '1' then
    count('counts', 'accepted', times)
    if campaign ~= '' then count('campaign:' .. campaign, 'accepted', times) end
  end
  count('counts', what, times)
  if campaign ~= '' then count('campaign:' .. campaign, what, times) end
end
-- The campaign of a message was cancelled before it could be sent. Only those have a state already that a client may ask
-- for; one that a late answer has called sent stays sent.
local function note_cancelled(id, keep_ms)
  local was = redis.pcall('HGET', key('message:' .. id), 'state')
  if type(was) ~= 'string' or was == 'sent' then return end
  call('HSET', key('message:' .. id), 'state', 'cancelled', 'at', int(wall_ms()))
  call('PEXPIRE', key('message:' .. id), keep_ms)
end
