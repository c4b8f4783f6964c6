-- Records messages as sent. ARGV: worker, keep_ms, audit_max, when to ask for a status first in ms, until what age in ms,
-- report_ms, then for each: ticket, id, campaign, is new, attempts, provider's id, conversation's id, correlation id, person
-- (as in the suppression set), 1 if its status is to be asked for, audit entry, and about it: channel, template, segments,
-- since when it could be sent, whom its outcome is told to. Repeating it changes nothing: a ticket is given up only once.
-- Parts: callbacks, report, receipts, polls
local inflight, keep_ms, audit_max = key('inflight:' .. ARGV[1]), ARGV[2], ARGV[3]
local first_ms, age_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local CONVERSATION_MAX = 65536 -- bytes of what is asked for in one: more than a thousand messages
local now, at = now_ms(), wall_ms()
local wall = int(at)
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
  if #flat == 0 then return end
  for state in pairs(ranks) do
    local heard_at = tonumber(early[state .. '_at'])
    if heard_at then apply(id, campaign, state, heard_at, early.failure or '', keep_ms, at) end
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
-- A message counts once, with the first answer that says it was sent; segments count each time, since they cost each time.
local function report(i, campaign, is_first)
  local row = report_row(at, campaign, ARGV[i + 11], ARGV[i + 12])
  local segments, since = tonumber(ARGV[i + 13]), tonumber(ARGV[i + 14])
  if segments > 0 then tally(row, 'g', segments) end
  if not is_first then return end
  tally(row, 's', 1)
  if since > 0 then tally_latency(row, 'Q', 'q', at - since) end
end
for i = 7, #ARGV, 16 do
  local id, campaign, provider = ARGV[i + 1], ARGV[i + 2], ARGV[i + 5]
  local message = key('message:' .. id)
  local is_ours = call('HDEL', inflight, ARGV[i]) == 1
  local is_known, is_first = false, true
  if is_ours then
    settle(campaign, ARGV[i + 3], 'sent')
  else
    -- Taken from us meanwhile, or this is the same request again because its answer was lost.
    local was = redis.pcall('HMGET', message, 'state', 'provider_id')
    is_first = was[1] ~= 'sent'
    is_known = not is_first and was[2] == provider
    if not is_known then count('counts', 'late', 1) end
  end
  if not is_known then
    local fresh = redis.pcall('HSET', message, 'state', 'sent', 'at', wall, 'campaign', campaign, 'attempts', ARGV[i + 4],
      'provider_id', provider, 'conversation_id', ARGV[i + 6], 'correlation_id', ARGV[i + 7], 'channel', ARGV[i + 11],
      'template', ARGV[i + 12], 'since', ARGV[i + 14])
    -- All of them were there: it was sent before, by an answer that came late, or is another message with the same id.
    if is_ours and fresh == 0 and call('HDEL', message, 'late') == 1 then is_first = false end
    if is_first and not is_ours then redis.pcall('HSET', message, 'late', 1) end
    report(i, campaign, is_first)
    report_end(at, id)
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
write_report(keep_ms, tonumber(ARGV[6]))
write_counts(keep_ms)
return 1
