-- Records messages as sent. ARGV: worker, keep_ms, audit_max, when to ask for a status first in ms, until what age in ms, then
-- for each: ticket, id, campaign, is new, attempts, provider's id, conversation's id, correlation id, person (as in the
-- suppression set), 1 if its status is to be asked for, audit entry, and about it: channel, template, segments, when it was
-- accepted, whom its outcome is told to. Repeating it changes nothing: a ticket is given up only once.
-- Parts: callbacks, receipts, polls
local inflight, keep_ms, audit_max = key('inflight:' .. ARGV[1]), ARGV[2], ARGV[3]
local first_ms, age_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local CONVERSATION_MAX = 65536 -- bytes of what is asked for in one: more than a thousand messages
local now, wall = now_ms(), int(wall_ms())
expect('HLEN', 'counts')
expect('XLEN', 'audit')
if age_ms > 0 then
  expect('ZCARD', 'poll')
  expect('HLEN', 'poll:messages')
end
-- From here on the receipts of this provider's id are the message's; those that were faster than the answer count now.
local function link(provider, id, campaign, person)
  if provider == '' then return end
  call('SET', key('link:' .. provider), id .. '\n' .. campaign .. '\n' .. person, 'PX', keep_ms)
  local flat, early = redis.pcall('HGETALL', key('early:' .. provider)), {}
  for i = 1, #flat, 2 do early[flat[i]] = flat[i + 1] end
  if not early.delivery then return end
  for state in pairs(ranks) do
    local at = tonumber(early[state .. '_at'])
    if at then apply(id, campaign, state, at, early.failure or '', keep_ms) end
  end
  if early.opted_out and person ~= '' and redis.pcall('SADD', key('suppressed'), person) == 1 then
    call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', '{"at":' .. wall .. ',"what":"suppress","actor":' ..
      cjson.encode('worker:' .. ARGV[1]) .. ',"reason":"a receipt that came before the answer","id":' .. cjson.encode(id) ..
      (campaign ~= '' and ',"campaign":' .. cjson.encode(campaign) or '') .. '}')
  end
  call('DEL', key('early:' .. provider))
end
-- One more whose status is asked for, in its conversation.
local function ask_for(conversation, provider)
  local asked = call('HGET', key('poll:messages'), conversation) or ''
  if string.find(asked, ' ' .. provider .. ' ', 1, true) then return end
  if #asked > CONVERSATION_MAX then
    count('counts', 'unpolled', 1)
    return
  end
  local due = math.min(now + first_ms, tonumber(call('ZSCORE', key('poll'), conversation) or math.huge))
  keep_polled(conversation, asked .. int(now) .. ' ' .. provider .. ' ', due, age_ms)
end
for i = 6, #ARGV, 16 do
  local id, campaign, provider = ARGV[i + 1], ARGV[i + 2], ARGV[i + 5]
  local message = key('message:' .. id)
  local is_ours = call('HDEL', inflight, ARGV[i]) == 1
  local is_known = false
  if is_ours then
    settle(campaign, ARGV[i + 3], 'sent')
  else
    -- Taken from us meanwhile, or this is the same request again because its answer was lost.
    local was = redis.pcall('HMGET', message, 'state', 'provider_id')
    is_known = was[1] == 'sent' and was[2] == provider
    if not is_known then count('counts', 'late', 1) end
  end
  if not is_known then
    redis.pcall('HSET', message, 'state', 'sent', 'at', wall, 'campaign', campaign, 'attempts', ARGV[i + 4], 'provider_id',
      provider, 'conversation_id', ARGV[i + 6], 'correlation_id', ARGV[i + 7])
    call('PEXPIRE', message, keep_ms)
    call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 10])
    if ARGV[i + 15] ~= '' then
      redis.pcall('HSET', message, 'callback', ARGV[i + 15]) -- receipts are told there, too
      tell(ARGV[i + 15], 'message.sent', id, wall, {'campaign', campaign, 'channel', ARGV[i + 11], 'template', ARGV[i + 12],
        'state', 'sent', 'attempts', tonumber(ARGV[i + 4]), 'provider_id', provider, 'conversation_id', ARGV[i + 6], 'correlation_id', ARGV[i + 7]})
    end
    link(provider, id, campaign, ARGV[i + 8])
    if ARGV[i + 9] == '1' then ask_for(ARGV[i + 6], provider) end
  end
end
write_counts(keep_ms)
return 1
