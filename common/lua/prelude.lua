-- In front of every script. KEYS[1] is `herald:{org}`: its hash tag puts all keys of an org on one slot, so a script
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
    call('ZADD', key('delayed'), int(tonumber(strays[i + 1]) - by), strays[i])
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
    call('HSET', key('clock'), 'stray_by', int(-passed), 'stray_from', int(wall),
      'stray_to', int(wall - passed + STRAY_MS))
  end
  call('HSET', key('clock'), 'now', int(next_ms), 'wall', int(wall))
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
    for field, by in pairs(of) do
      local sum = redis.pcall('HINCRBY', key(hash), field, by)
      if by < 0 and type(sum) == 'number' and sum < 0 then call('HSET', key(hash), field, 0) end -- it expired meanwhile
    end
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
-- The org's window holds `limit` grants at most, and must outlive any jump of Redis' clock.
local WINDOW_KEPT_MS = 400 * 24 * 3600 * 1000
-- Grants of a window that count now: the others are forgotten.
local function used(window, window_ms, margin_ms, now)
  call('ZREMRANGEBYSCORE', window, '-inf', now - window_ms - 1)
  call('ZREMRANGEBYSCORE', window, now + window_ms + margin_ms, '+inf') -- `clock` was lost
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
-- Receipts. `link:<provider's id>` says whose message that is, once the send's own answer has said so; what was heard
-- before is in `early:<provider's id>`, in the same fields as in the message's hash afterwards.
local ranks = {queued = 1, sent = 2, delivered = 3, read = 4, failed = 5}
-- Notes in a hash that a state was reached. The furthest state stands, and of each the earliest time, so that the end is
-- the same whatever the order; of a failure the code of the earliest (of two at once the greater text). Answers whether
-- the state is news. A key that is no hash is left alone.
local function hear(hash, state, at, code, keep_ms)
  local was = redis.pcall('HMGET', hash, 'delivery', state .. '_at', 'failure')
  if was.err then return false end
  local before, fields = tonumber(was[2]), {}
  if ranks[state] > (ranks[was[1]] or 0) then fields = {'delivery', state} end
  if not before or at < before then
    fields[#fields + 1] = state .. '_at'
    fields[#fields + 1] = int(at)
  end
  if state == 'failed' and (not before or at < before or (at == before and code > (was[3] or ''))) then
    fields[#fields + 1] = 'failure'
    fields[#fields + 1] = code
  end
  if #fields > 0 then call('HSET', hash, unpack(fields)) end
  call('PEXPIRE', hash, keep_ms)
  return not before
end
-- The same for a message that is known: what is news is counted.
local function apply(id, campaign, state, at, code, keep_ms)
  if not hear(key('message:' .. id), state, at, code, keep_ms) then return end
  count('counts', 'receipt:' .. state, 1)
  if campaign ~= '' then count('campaign:' .. campaign, 'receipt:' .. state, 1) end
end
-- Statuses that are asked for: `poll` has conversations by when to ask next, and the hash `poll:messages` what to ask for
-- there: for each message the instant from which it is asked for and the provider's id, with a blank behind each. The two
-- change together. Messages are asked for at their double age each time, and not beyond age_ms.
local function ask_at(now, since, first_ms, age_ms)
  return math.min(now + math.max(first_ms, now - since), since + age_ms + 1)
end
local function keep_polled(conversation, text, due, age_ms)
  if text == '' then
    call('ZREM', key('poll'), conversation)
    call('HDEL', key('poll:messages'), conversation)
    return
  end
  call('ZADD', key('poll'), int(due), conversation)
  call('HSET', key('poll:messages'), conversation, text)
  for _, name in ipairs({'poll', 'poll:messages'}) do call('PEXPIRE', key(name), int(2 * age_ms)) end -- nobody asks
end
-- Id, campaign and person of what a link holds; nothing when there is no link.
local function linked(link)
  if type(link) ~= 'string' then return nil end
  return string.match(link, '^(.-)\n(.-)\n(.*)$')
end
-- The campaign of a message was cancelled before it could be sent. Only those have a state already that a client may ask
-- for; one that a late answer has called sent stays sent.
local function note_cancelled(id, keep_ms)
  local was = redis.pcall('HGET', key('message:' .. id), 'state')
  if type(was) ~= 'string' or was == 'sent' then return end
  call('HSET', key('message:' .. id), 'state', 'cancelled', 'at', int(wall_ms()))
  call('PEXPIRE', key('message:' .. id), keep_ms)
end
-- Every beat of any worker is the org's pulse. When it has been silent for half a lease, Redis was away or all workers
-- were, and leases have run out that nobody gave up: for one lease nobody is reaped, so that whoever is alive can say so.
-- Both keys are one number for the org, and stay: what Redis expires goes by its own clock, which jumps.
local function pulse(now, lease_ms)
  local last = tonumber(call('GET', key('pulse')) or 0)
  if math.abs(now - last) > lease_ms / 2 then call('SET', key('calm'), int(now + lease_ms)) end
  call('SET', key('pulse'), int(now))
end
local function is_calm(now) return tonumber(call('GET', key('calm')) or 0) > now end
-- The sets in which an idempotency key may be, the one of today first, and how long that one is kept. A campaign has one
-- for as long as it may be run again: one look-up a message. Others are in sets for thirds of the time that a key is
-- remembered, so that memory is given back a whole set at a time.
local function memory(campaign, dedup_ms, campaign_memory_ms)
  if campaign ~= '' then return {key('seen:campaign:' .. campaign)}, campaign_memory_ms end
  local width = math.max(1, math.ceil(dedup_ms / 3))
  local at = math.floor(seen_ms() / width)
  local sets = {}
  for i = 0, 3 do sets[i + 1] = key('seen:' .. (at - i)) end
  return sets, dedup_ms * 2
end
-- 1 for each message whose person has opted out: every `step`-th argument from `first` on, looked up at once, when there is
-- anybody at all.
local function opted_out(first, step)
  if call('SCARD', key('suppressed')) == 0 then return {} end
  local people = {}
  for i = first, #ARGV, step do people[#people + 1] = ARGV[i] end
  return call('SMISMEMBER', key('suppressed'), unpack(people))
end
-- True when the member is new to all of the sets; it is in the first from now on.
local function remember(sets, member)
  for i = 2, #sets do
    if call('SISMEMBER', sets[i], member) == 1 then return false end
  end
  return call('SADD', sets[1], member) == 1
end
-- Dead letters. The documents are in `dead:letters` by ticket; `dead:index` is a stream whose ids are the tickets, oldest
-- first, with what letters are found by: reason, campaign, channel, code, id, when, bytes. `dead:counts` and
-- `dead:campaigns` are how many there are of each, changed in the same step, so that nobody has to count a million.
local HOUR_MS = 3600000
local letter_sums = {reason = {}, channel = {}, hour = {}, campaign = {}}
local function expect_letters()
  expect('HLEN', 'dead:letters', 'dead:counts')
  expect('XLEN', 'dead:index')
  expect('ZCARD', 'dead:campaigns')
end
local function count_letter(reason, campaign, channel, at, by)
  local hour = math.floor(at / HOUR_MS)
  local sums_of = letter_sums
  sums_of.reason[reason] = (sums_of.reason[reason] or 0) + by
  sums_of.channel[channel] = (sums_of.channel[channel] or 0) + by
  sums_of.hour[hour] = (sums_of.hour[hour] or 0) + by
  sums_of.campaign[campaign] = (sums_of.campaign[campaign] or 0) + by
end
-- `at` is text, and so are other numbers in steps that many letters go through: each that is not would be printed anew
-- for every call.
local function keep_letter(document, reason, campaign, channel, code, id, at)
  local about = reason .. ' ' .. campaign .. ' ' .. channel .. ' ' .. code .. ' ' .. id .. ' ' .. at .. ' ' .. #document
  local ticket = call('XADD', key('dead:index'), '*', 'm', about)
  call('HSET', key('dead:letters'), ticket, document)
  count_letter(reason, campaign, channel, at, 1)
  return ticket
end
local function write_letter_counts()
  for _, what in ipairs({'reason', 'channel', 'hour'}) do
    for name, by in pairs(letter_sums[what]) do
      local field = what .. ':' .. (what == 'hour' and int(name) or name)
      if call('HINCRBY', key('dead:counts'), field, by) <= 0 then call('HDEL', key('dead:counts'), field) end
    end
  end
  for campaign, by in pairs(letter_sums.campaign) do
    if tonumber(call('ZINCRBY', key('dead:campaigns'), by, campaign)) <= 0 then call('ZREM', key('dead:campaigns'), campaign) end
  end
end
-- The channel of a message by what its payload says, else `none`. For steps that only have its text.
local CHANNELS = {sms = 'sms', whatsapp = 'whatsapp', open = 'open', webmessaging = 'web', apple = 'apple',
  ['messaging:sms'] = 'sms', ['messaging:whatsapp'] = 'whatsapp', ['messaging:facebook'] = 'facebook', ['messaging:web'] = 'web'}
local function channel_of(message)
  local payload = type(message.payload) == 'table' and message.payload or message
  local name = payload.toAddressMessengerType or payload.channelType
  return type(name) == 'string' and CHANNELS[name] or 'none'
end
local function name_or_none(text, most)
  return type(text) == 'string' and #text <= most and string.match(text, '^[%w._:-]+$') or ''
end
