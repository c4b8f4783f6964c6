-- Records messages as sent. ARGV: worker, keep_ms, audit_max, when to ask for a status first in ms, until what age in ms,
-- report_ms, number of kinds, and for each kind what is the same for many: campaign, is new, attempts, channel, template,
-- segments, 1 if statuses are to be asked for; then for each message: kind, ticket, id, provider's id, since when it could be
-- sent, audit entry, whom its outcome is told to, and either '', conversation's id, correlation id and person (as in the
-- suppression set), or, when all ids are UUIDs and the person is not long, what is put into track.lua: `m` and the bytes of the
-- id; its pointer; `p` and the bytes of the provider's id; and the ids of its record.
-- Repeating it changes nothing: a ticket is given up only once.
-- Parts: callbacks, report, track, putting, receipts, polls
local KIND, MESSAGE = 7, 11 -- arguments for each
local inflight, keep_ms, audit_max = key('inflight:' .. ARGV[1]), ARGV[2], ARGV[3]
local first_ms, age_ms = tonumber(ARGV[4]), tonumber(ARGV[5])
local CONVERSATION_MAX = 65536 -- bytes of what is asked for in one: more than a thousand messages
local now, at = now_ms(), wall_ms()
local wall = int(at)
expect('HLEN', 'counts', 'track')
expect('XLEN', 'audit')
if age_ms > 0 then
  expect('ZCARD', 'poll')
  expect('HLEN', 'poll:messages')
end
local kinds = {}
for k = 1, tonumber(ARGV[7]) do
  local from = 8 + (k - 1) * KIND
  local campaign, is_new, attempts, channel, template, segments, is_polled = unpack(ARGV, from, from + KIND - 1)
  kinds[k] = {campaign = campaign, is_new = is_new, attempts = tonumber(attempts), channel = channel, template = template,
    segments = tonumber(segments), is_polled = is_polled == '1', ours = 0, row = false, generation = false, heads = false}
end
local first = 8 + #kinds * KIND
-- Whether any message of the step has such a key: mostly none has, and then none is looked for.
local function has_any(name, argument)
  local names = {}
  for i = first, #ARGV, MESSAGE do names[#names + 1] = key(name .. ARGV[i + argument]) end
  return #names > 0 and call('EXISTS', unpack(names)) > 0
end
local keep_number, put_count = tonumber(keep_ms), 0
local any_is_known, any_is_early = has_any('message:', 2), has_any('early:', 3)
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
local function report(kind, since, is_first)
  kind.row = kind.row or report_row(at, kind.campaign, kind.channel, kind.template)
  if kind.segments > 0 then tally(kind.row, 'g', kind.segments) end
  if not is_first then return end
  tally(kind.row, 's', 1)
  if since > 0 then tally_latency(kind.row, 'Q', 'q', at - since) end
end
-- Nothing but its acceptance is known, which fits into a record: true, and when that was.
local PLAIN = {state = true, accepted_at = true, campaign = true, attempts = true}
local function is_plain(message)
  local flat, accepted_at = redis.pcall('HGETALL', message), nil
  if flat.err then return false end
  for i = 1, #flat, 2 do
    if not PLAIN[flat[i]] or flat[i] == 'state' and flat[i + 1] ~= 'accepted' then return false end
    if flat[i] == 'accepted_at' then accepted_at = tonumber(flat[i + 1]) end
  end
  return true, accepted_at
end
-- Where messages of a kind go, and what their records begin with: the same for all of them but those with an acceptance.
local function prepare(kind)
  kind.generation, kind.heads = current_generation(at, keep_number), {}
  local number = number_of(kind.generation, kind.campaign, kind.channel, kind.template, keep_ms)
  if not number or kind.attempts > 255 then return end
  for has = 0, 1 do kind.heads[has] = pack_bytes('>BBI2I6', has, kind.attempts, number, at) end
  kind.number = number
end
-- Keeps what is known of it in a record; nil when it does not fit into one.
local function pack(kind, i, since)
  if ARGV[i + 6] ~= '' or ARGV[i + 7] == '' then return nil end
  local plain, accepted_at = true, nil
  if any_is_known then plain, accepted_at = is_plain(key('message:' .. ARGV[i + 2])) end
  if not plain then return nil end
  if not kind.heads then prepare(kind) end
  local after, record = since > 0 and since - at, nil
  if not kind.heads[0] or after and (after <= -2147483648 or after >= 2147483648) then return nil end
  if accepted_at then
    record = track_unusual().write({attempts = kind.attempts, number = kind.number, at = at, ids = ARGV[i + 10], since = after and since,
      accepted_at = accepted_at})
  else
    record = after and kind.heads[1] .. ARGV[i + 10] .. pack_bytes('>i4', after) or kind.heads[0] .. ARGV[i + 10]
  end
  if not record or not put(kind.generation, ARGV[i + 9], record, keep_ms) then return nil end
  if not put(kind.generation, ARGV[i + 7], ARGV[i + 8], keep_ms) then return nil end
  if any_is_known then call('DEL', key('message:' .. ARGV[i + 2])) end
  put_count = put_count + 1
  return record
end
-- Conversation's id, correlation id and person as texts.
local function details(i)
  if ARGV[i + 7] == '' then return unpack(ARGV, i + 8, i + 10) end
  return id_text_or_none(sub(ARGV[i + 10], 17)), id_text_or_none(sub(ARGV[i + 8], 17, 32)), sub(ARGV[i + 8], 33)
end
-- A late answer: the message may have become a dead letter, which outlives what is kept of the message, and must not be sent again.
local function note_letter(message)
  local letter = redis.pcall('HGET', message, 'letter')
  if type(letter) == 'string' and redis.pcall('HEXISTS', key('dead:letters'), letter) == 1 then
    redis.pcall('HSET', key('dead:sent'), letter, wall)
  end
end
-- The same in keys of its own. Answers whether this is the first time that it is said to be sent, too.
local function write_out(kind, i, is_ours, is_first)
  local id, provider, since, to = ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 6]
  local conversation, correlation, person = details(i)
  local message = key('message:' .. id)
  local fresh = redis.pcall('HSET', message, 'state', 'sent', 'at', wall, 'campaign', kind.campaign, 'attempts', int(kind.attempts),
    'provider_id', provider, 'conversation_id', conversation, 'correlation_id', correlation, 'channel', kind.channel,
    'template', kind.template, 'since', since)
  -- All of them were there: it was sent before, by an answer that came late, or is another message with the same id.
  if is_ours and fresh == 0 and call('HDEL', message, 'late') == 1 then is_first = false end
  if is_first and not is_ours then redis.pcall('HSET', message, 'late', 1) end
  call('PEXPIRE', message, keep_ms)
  if not is_ours then note_letter(message) end
  any_is_known = true
  if to ~= '' then
    redis.pcall('HSET', message, 'callback', to) -- receipts are told there, too
    tell(to, 'message.sent', id, wall, {'campaign', kind.campaign, 'channel', kind.channel, 'template', kind.template, 'state', 'sent',
      'attempts', kind.attempts, 'provider_id', provider, 'conversation_id', conversation, 'correlation_id', correlation})
  end
  if provider ~= '' then call('SET', key('link:' .. provider), id .. '\n' .. kind.campaign .. '\n' .. person, 'PX', keep_ms) end
  return is_first
end
-- State and provider's id of a message; and the id's bytes, when it is packed.
local function known_of(id)
  local was = redis.pcall('HMGET', key('message:' .. id), 'state', 'provider_id')
  if was.err or was[1] then return was[1], was[2] end
  local bytes = track_unusual().id_bytes(id)
  local record, pointer = nil, nil
  if bytes then record, pointer = track_unusual().find(bytes) end
  if record then return 'sent', id_text(pointer), bytes end
end
local function suppress(person, id, campaign)
  if person == '' or redis.pcall('SADD', key('suppressed'), person) ~= 1 then return end
  call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', '{"at":' .. wall .. ',"what":"suppress","actor":' ..
    cjson.encode('worker:' .. ARGV[1]) .. ',"reason":"a receipt that came before the answer","id":' .. cjson.encode(id) ..
    (campaign ~= '' and ',"campaign":' .. cjson.encode(campaign) or '') .. '}')
end
-- Receipts that were faster than the answer, and what they say of the person.
local function note_early(kind, i, record)
  local _, _, person = details(i)
  local owner = {id = ARGV[i + 2], campaign = kind.campaign, bytes = sub(ARGV[i + 7], 2), field = ARGV[i + 9], generation = kind.generation,
    record = record, sent_at = at, names = kind}
  if apply_early(ARGV[i + 3], owner, keep_ms, at) then suppress(person, ARGV[i + 2], kind.campaign) end
end
local function note(kind, i, is_ours, is_first)
  local since = tonumber(ARGV[i + 4])
  local record = is_ours and pack(kind, i, since)
  if not record then is_first = write_out(kind, i, is_ours, is_first) end
  report(kind, since, is_first)
  report_end(at, ARGV[i + 2], record and sub(ARGV[i + 7], 2))
  call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 5])
  if any_is_early and ARGV[i + 3] ~= '' then note_early(kind, i, record) end
  if kind.is_polled then ask_for((details(i)), ARGV[i + 3]) end
end
for i = first, #ARGV, MESSAGE do
  local kind, id = kinds[tonumber(ARGV[i])], ARGV[i + 2]
  if call('HDEL', inflight, ARGV[i + 1]) == 1 then
    kind.ours = kind.ours + 1
    note(kind, i, true, true)
  else
    -- Taken from us meanwhile, or this is the same request again because its answer was lost.
    local state, provider, bytes = known_of(id)
    if state ~= 'sent' or provider ~= ARGV[i + 3] then
      count('counts', 'late', 1)
      if bytes then track_unusual().open(bytes, keep_ms) end
      note(kind, i, false, state ~= 'sent')
    end
  end
end
for _, kind in ipairs(kinds) do
  if kind.ours > 0 then settle(kind.campaign, kind.is_new, 'sent', kind.ours) end
end
if put_count > 0 then
  call('HINCRBY', key('track'), 'count', put_count)
  call('PEXPIRE', key('track'), int(2 * keep_ms))
end
write_report(keep_ms, tonumber(ARGV[6]))
write_counts(keep_ms)
return 1
