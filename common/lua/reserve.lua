-- Hands messages to a worker: as many as it wants and the window grants, due ones first. They move from their list to
-- the worker's in-flight hash, under consecutive tickets, in this one step.
-- In flight, an envelope has the letter of its list in front (H, N or L), so that anyone can put it back there.
-- A grant's score is the last instant at which it may be used, so that the window is exact for requests, not for grants.
-- ARGV: worker, ticket prefix, first ticket number, wanted, window limit (0: none), window in ms, how long a grant may
-- wait to be used in ms, what the time should be (2, see tick), entries of the audit at which nothing is handed out or 0.
-- Answers: Redis' clock, hold in ms (-1: the worker has no lease, -2: the audit is full), wait for the window in ms (if it
-- is what kept the worker from getting more), next due time or 0, the org's time, then the envelopes.
-- Parts: clock, window
local worker, prefix, first, wanted = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, window_ms, margin_ms = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
expect('HLEN', 'inflight:' .. worker)
local turn = tonumber(call('GET', key('turn')) or 0) or 0
local now, wall = tick(tonumber(ARGV[8]), tonumber(ARGV[9]))
if tonumber(call('ZSCORE', key('workers'), worker) or 0) <= now then return {wall, -1, 0, 0, now} end
if first < tonumber(call('HGET', key('fence:' .. worker), prefix) or 0) then return {wall, 0, 0, 0, now} end
local hold = held_ms('hold', now)
if hold > 0 then return {wall, hold, 0, 0, now} end
local full = tonumber(ARGV[10])
if full > 0 and call('XLEN', key('audit')) >= full then return {wall, -2, 0, 0, now} end
local is_cut = false
if limit > 0 then
  -- A question about statuses that is due is left its small share, see poll.lua.
  local claim = tonumber(redis.pcall('GET', key('poll:claim')) or 0) or 0
  local free = limit - used(key('window'), window_ms, now) - claim
  if free <= 0 then return {wall, 0, until_free(key('window'), window_ms, now, margin_ms), 0, now} end
  is_cut = free < wanted
  wanted = math.min(wanted, free)
end
local taken = call('ZRANGEBYSCORE', key('delayed'), '-inf', wall, 'LIMIT', 0, wanted)
local letters, broken = {}, nil
if #taken > 0 then call('ZREM', key('delayed'), unpack(taken)) end
for i = 1, #taken do letters[i] = 'N' end
-- Of ten messages six are of high priority, three of normal, one of low, in that order of precedence for what is left
-- over: nothing waits for ever behind something more urgent. Whose turn it is goes on from batch to batch.
local is_empty = {}
local function take(letter, most)
  if most <= 0 or is_empty[letter] then return end
  local popped = redis.pcall('RPOP', key(lists[letter]), most) or {}
  if popped.err then broken = popped end -- no list; said once there is nothing else to take
  for _, envelope in ipairs(popped) do
    taken[#taken + 1] = envelope
    letters[#taken] = letter
  end
  is_empty[letter] = #popped < most
end
if #taken < wanted then
  local pattern = 'HHNHHNHHNL'
  local want = wanted - #taken
  local share = {H = 0, N = 0, L = 0}
  for i = turn, turn + want - 1 do
    local letter = string.sub(pattern, i % 10 + 1, i % 10 + 1)
    share[letter] = share[letter] + 1
  end
  for _, letter in ipairs({'H', 'N', 'L'}) do take(letter, share[letter]) end
  for _, letter in ipairs({'H', 'N', 'L'}) do take(letter, wanted - #taken) end
  if #taken > 0 then call('SET', key('turn'), int((turn + want) % 10)) end
end
local next_due = 0
if #taken < wanted then
  local first_due = call('ZRANGE', key('delayed'), 0, 0, 'WITHSCORES')
  if first_due[2] then next_due = tonumber(first_due[2]) end
end
local answer = {wall, 0, 0, next_due, now}
if #taken == 0 then return broken or answer end
local flight, grants = {}, {}
local used_until = int(now + margin_ms)
for i, envelope in ipairs(taken) do
  local ticket = prefix .. (first + i - 1)
  flight[#flight + 1] = ticket
  flight[#flight + 1] = letters[i] .. envelope
  grants[#grants + 1] = used_until
  grants[#grants + 1] = worker .. '/' .. ticket
  answer[#answer + 1] = envelope
end
call('HSET', key('inflight:' .. worker), unpack(flight))
if limit > 0 then
  call('ZADD', key('window'), unpack(grants))
  call('PEXPIRE', key('window'), int(WINDOW_KEPT_MS))
  if is_cut and #taken == wanted then answer[3] = until_free(key('window'), window_ms, now, margin_ms) end
end
return answer
