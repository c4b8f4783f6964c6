-- The last look before messages are sent. ARGV: worker, keep_ms, the window of each sender address: limit (0: none), ms and
-- how long a grant may wait to be used in ms; then for each message: ticket, id, campaign, suppression entry of the address,
-- 1 if it was redelivered, sender, and for one that a plain LPUSH brought the envelope it is to have from now on, with the
-- id that Genesys will see; '' for others. Answers a text with one letter for each, and then how long each `r` is to wait:
-- y send it; l no lease (send nothing); g gone, it was taken from us; w withdrawn, a late answer says that it was sent;
-- c its campaign is cancelled; p its campaign is paused; s the address has opted out (the worker buries it).
-- r its sender's window is full: put it off. For w, c and p everything is done here.
-- Parts: window, callbacks
local worker, keep_ms = ARGV[1], tonumber(ARGV[2])
expect('HLEN', 'inflight:' .. worker, 'counts')
expect('SCARD', 'suppressed', 'parked')
local inflight = key('inflight:' .. worker)
local has_lease = tonumber(call('ZSCORE', key('workers'), worker) or 0) > now_ms()
local SENDER_KEPT_MS = 2 * 3600 * 1000 -- outlives a jump of Redis' clock by an hour; there may be many senders
local sender_limit, sender_ms, margin_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local states, answers, waits = {}, {}, {}
-- A grant of the sender's own window; nil, or how long to wait for one. Those who wait are spread over the time to come,
-- each on a place of its own, so that each is put off once and not again and again.
local function sender_wait(sender, ticket)
  if sender_limit == 0 or sender == '' then return nil end
  local window, place = key('window:' .. sender), key('place:' .. sender)
  local now = now_ms()
  if used(window, sender_ms, now) < sender_limit then
    call('ZADD', window, now + margin_ms, worker .. '/' .. ticket)
    call('PEXPIRE', window, sender_ms + margin_ms + SENDER_KEPT_MS)
    return nil
  end
  local oldest = call('ZRANGE', window, 0, 0, 'WITHSCORES')
  local due = math.max(tonumber(oldest[2]) + sender_ms + 2, tonumber(call('GET', place) or 0) + math.ceil(sender_ms / sender_limit))
  call('SET', place, int(due), 'PX', math.max(1, math.ceil(due - now)))
  return math.max(1, due - now)
end
local function state_of(campaign)
  if campaign == '' then return '' end
  if not states[campaign] then states[campaign] = redis.pcall('HGET', key('campaign:' .. campaign), 'state') or '' end
  return states[campaign]
end
-- What Redis knows of the whole batch, and what it is to write down of it, in one call each.
local tickets, people, adopted = {}, {}, {}
for i = 6, #ARGV, 7 do
  tickets[#tickets + 1] = ARGV[i]
  people[#people + 1] = ARGV[i + 3]
end
local all_held, opted_out = call('HMGET', inflight, unpack(tickets)), call('SMISMEMBER', key('suppressed'), unpack(people))
for n, ticket in ipairs(tickets) do
  local i = 7 * n - 1
  local id, campaign, held = ARGV[i + 1], ARGV[i + 2], all_held[n]
  local answer = 'y'
  if held and has_lease and ARGV[i + 6] ~= '' then
    held = string.sub(held, 1, 1) .. ARGV[i + 6]
    count('counts', 'accepted', 1)
    if campaign ~= '' then count('campaign:' .. campaign, 'accepted', 1) end
  end
  if not held then
    answer = 'g'
  elseif not has_lease then
    answer = 'l'
  elseif ARGV[i + 4] == '1' and call('HGET', key('message:' .. id), 'state') == 'sent' then
    answer = 'w'
    settle(campaign, '0', 'sent')
    count('counts', 'withdrawn', 1)
  elseif state_of(campaign) == 'cancelled' then
    answer = 'c'
    settle(campaign, '0', 'cancelled')
    note_cancelled(id, keep_ms)
    tell_cancelled(held, id, campaign)
  elseif state_of(campaign) == 'paused' then
    answer = 'p'
    call('LPUSH', key('parked:' .. campaign), held)
    call('SADD', key('parked'), campaign)
  elseif opted_out[n] == 1 then
    answer = 's'
  else
    local wait = sender_wait(ARGV[i + 5], ticket)
    if wait then
      answer = 'r'
      waits[#waits + 1] = wait
    end
  end
  if answer == 'w' or answer == 'c' or answer == 'p' then
    call('HDEL', inflight, ticket)
    give_back('1', ticket)
  elseif held and has_lease and ARGV[i + 6] ~= '' then
    adopted[#adopted + 1] = ticket
    adopted[#adopted + 1] = held
  end
  answers[n] = answer
end
if #adopted > 0 then call('HSET', inflight, unpack(adopted)) end
write_counts(keep_ms)
table.insert(waits, 1, table.concat(answers))
return waits
