-- Hands a worker the conversations whose messages' statuses are to be asked for, each with a grant of the org's window for
-- one request (share.lua). What is handed out is due again at the end of a lease, should the worker die.
-- ARGV: worker, ticket prefix, first ticket number, most, window limit (0: none), window in ms, how long a grant may wait to be
-- used in ms, lease in ms, age in ms from which on nobody asks, most messages of one request.
-- Answers: now, hold in ms (-1: the worker has no lease), wait for the window in ms, next due time or 0, 1 if it is the pause of
-- asking that holds, then for each: conversation, and its messages with a blank behind each.
-- Parts: window, share, polls
local worker, prefix, first, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, window_ms, margin_ms = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local lease_ms, age_ms, ids_max = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local LOOK_MAX = 100 -- due conversations that one step looks at
local now = now_ms()
local poll = key('poll')
expect('ZCARD', 'poll', 'poll:window', 'window')
expect('HLEN', 'poll:messages', 'counts')
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('GET', 'poll:claim')
if tonumber(call('ZSCORE', key('workers'), worker) or 0) <= now then return {now, -1, 0, 0, 0} end
for _, conversation in ipairs(call('ZRANGEBYSCORE', poll, now + age_ms + lease_ms + 1, '+inf', 'LIMIT', 0, LOOK_MAX)) do
  call('ZADD', poll, int(now), conversation) -- `clock` was lost
end
local function messages_in(text) return select(2, string.gsub(text, ' %S+ ', '')) end
-- What is due, without the messages that are too old to be asked for.
local due, texts = {}, {}
for _, conversation in ipairs(call('ZRANGEBYSCORE', poll, '-inf', now, 'LIMIT', 0, LOOK_MAX)) do
  local text = call('HGET', key('poll:messages'), conversation) or ''
  local young = string.gsub(text, '(%d+) (%S+) ', function(since) if tonumber(since) + age_ms < now then return '' end end)
  if young ~= text or text == '' then
    keep_polled(conversation, young, now, age_ms)
    if text ~= '' then count('counts', 'unpolled', messages_in(text) - messages_in(young)) end
  end
  if young ~= '' then
    due[#due + 1] = conversation
    texts[#due] = young
  end
end
write_counts(0)
local function answer(hold, wait, is_own)
  local next_due = call('ZRANGE', poll, 0, 0, 'WITHSCORES')
  return {now, hold, wait, next_due[2] or 0, is_own and 1 or 0}
end
if #due == 0 then return answer(0, 0) end
local hold, own = held_ms('hold', now), held_ms('poll:hold', now)
if hold > 0 or own > 0 then return answer(math.max(hold, own), 0, own > hold) end
most = math.min(most, #due)
if limit > 0 then
  local may, wait = share_of(most, limit, window_ms, margin_ms, now)
  if may == 0 then return answer(0, wait) end
  most = may
end
local handed = {}
for i = 1, most do
  local ids, asked = {}, 0
  for id in string.gmatch(texts[i], '%d+ (%S+) ') do
    if asked < ids_max then ids[#ids + 1] = id .. ' ' end
    asked = asked + 1
  end
  call('ZADD', poll, int(now + lease_ms), due[i])
  if limit > 0 then take_share(worker .. '/' .. prefix .. (first + i - 1), limit, window_ms, margin_ms, now) end
  handed[2 * i - 1], handed[2 * i] = due[i], table.concat(ids)
end
local head = answer(0, 0)
for _, text in ipairs(handed) do head[#head + 1] = text end
return head
