-- Takes back what workers whose lease has run out were holding: each message to the front of its list, marked as
-- redelivered, or to the dead letters when its on_unknown is `hold`, since nobody knows whether it was sent.
-- ARGV: most messages at once, keep_ms, audit_max, lease in ms, what the time should be (2, see tick), report_ms,
-- who reaps ('': nobody is named).
-- Answers how many it took; as many as asked means: call again.
-- Parts: clock, letters, callbacks, report
local most, keep_ms, audit_max, actor = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[8]
expect_letters()
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('XLEN', 'audit')
expect('HLEN', 'counts')
local now, wall = tick(tonumber(ARGV[5]), tonumber(ARGV[6]))
pulse(now, tonumber(ARGV[4]))
if is_calm(now) then return 0 end
-- As common/mask.h does, and more careful: of what is no number nothing is shown.
local function masked(address)
  local number = string.match(address, '^%l*:?%+?(%d+)$') or ''
  if #number < 8 or #number > 40 then return '*****' end
  return string.sub(number, 1, 3) .. string.rep('*', #number - 5) .. string.sub(number, -2)
end
local function address_of(message)
  local payload = type(message.payload) == 'table' and message.payload or message
  local to = type(payload.to) == 'table' and type(payload.to[1]) == 'table' and payload.to[1].address or payload.toAddress
  return type(to) == 'string' and #to <= 256 and to
end
local function audit(worker, message, outcome)
  local id = type(message.id) == 'string' and message.id or ''
  local campaign, to, channel = name_or_none(message.campaign, 64), address_of(message), channel_of(message)
  local about = (campaign ~= '' and ',"campaign":"' .. campaign .. '"' or '') ..
    (channel ~= 'none' and ',"channel":"' .. channel .. '"' or '') .. (to and ',"to":' .. cjson.encode(masked(to)) or '')
  call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', '{"at":' .. int(wall) ..
    ',"what":"reap"' .. (actor ~= '' and ',"actor":' .. cjson.encode(actor) or '') .. ',"id":' .. cjson.encode(id) .. about .. ',"worker":' .. cjson.encode(worker) .. ',"outcome":"' .. outcome ..
    '","unknown":true}')
end
-- The text stays as it is but for one member in front: decoding and encoding again would change numbers and empty lists.
local function mark(envelope)
  local times = string.match(envelope, '^{"redelivered":(%d+),')
  if times then return (string.gsub(envelope, '^{"redelivered":%d+,', '{"redelivered":' .. (times + 1) .. ',')) end
  return (string.gsub(envelope, '^%s*{(%s*")', '{"redelivered":1,%1'))
end
-- A count in a message that anybody may have written, plus `more`, as text.
local function whole(number, more)
  number = tonumber(number) or 0
  return int((number >= 0 and number <= 1000000 and number or 0) + more)
end
local function bury(message, envelope)
  local id = type(message.id) == 'string' and message.id or ''
  local campaign = type(message.campaign) == 'string' and message.campaign or ''
  local herald = type(message.herald) == 'table' and message.herald or {}
  local document = '{"id":' .. cjson.encode(id) ..
    (campaign ~= '' and ',"campaign":' .. cjson.encode(campaign) or '') ..
    ',"dead_at":' .. int(wall) ..
    ',"reason":"outcome_unknown","detail":"the worker that had it is gone; it may have been sent","attempts":' ..
    whole(herald.attempts, 0) .. ',"deaths":' .. whole(herald.deaths, 1) .. ',"envelope":' .. mark(envelope) .. '}'
  local labels = type(message.labels) == 'table' and message.labels or {}
  local template = type(labels.template) == 'string' and labels.template or ''
  if #template > 64 or string.find(template, '[%c|]') then template = '(other)' end -- as in store_flight.c
  local letter = keep_letter(document, 'outcome_unknown', name_or_none(campaign, 64), channel_of(message), '',
    name_or_none(id, 128), int(wall))
  if id ~= '' then
    redis.pcall('HSET', key('message:' .. id), 'state', 'dead', 'at', wall, 'reason', 'outcome_unknown', 'campaign', campaign,
      'attempts', whole(herald.attempts, 0), 'letter', letter, 'channel', channel_of(message), 'template', template)
    report_end(wall, id)
    call('PEXPIRE', key('message:' .. id), keep_ms)
  end
  tally(report_row(wall, name_or_none(campaign, 64), channel_of(message), template), 'xoutcome_unknown', 1)
  settle(campaign, herald.accepted_at and '0' or '1', 'dead')
  count('counts', 'dead:outcome_unknown', 1)
  if campaign ~= '' then count('campaign:' .. campaign, 'dead:outcome_unknown', 1) end
  tell(whom(message), 'message.dead', id, int(wall), {'campaign', campaign, 'channel', channel_of(message), 'state', 'dead',
    'reason', 'outcome_unknown', 'attempts', tonumber(whole(herald.attempts, 0))}, id == '')
end
local taken = 0
for _, worker in ipairs(call('ZRANGEBYSCORE', key('workers'), '-inf', now, 'LIMIT', 0, 16)) do
  local inflight = key('inflight:' .. worker)
  if taken < most then
    local held = call('HSCAN', inflight, 0, 'COUNT', most)[2]
    local entries = {}
    for i = 1, #held, 2 do
      entries[#entries + 1] = {ticket = held[i], number = tonumber(string.match(held[i], '(%d+)$')) or 0, held = held[i + 1]}
    end
    table.sort(entries, function(a, b) return a.number > b.number end) -- the first taken is pushed last, to the front
    for _, entry in ipairs(entries) do
      local letter, envelope = string.match(entry.held, '^([HNL])(.*)$')
      if not letter then letter, envelope = 'N', entry.held end -- not written by a worker of ours: kept as it is
      local is_json, message = pcall(cjson.decode, envelope)
      if not is_json or type(message) ~= 'table' then message = {} end
      call('HDEL', inflight, entry.ticket)
      if message.on_unknown == 'hold' then
        bury(message, envelope)
        audit(worker, message, 'dead')
      else
        call('RPUSH', key(lists[letter]), mark(envelope))
        count('counts', 'redelivered', 1)
        audit(worker, message, 'redelivered')
      end
      taken = taken + 1
    end
  end
  if call('EXISTS', inflight) == 0 then
    call('ZREM', key('workers'), worker)
    call('DEL', key('worker:' .. worker))
  end
end
write_letter_counts()
write_report(keep_ms, tonumber(ARGV[7]))
write_counts(keep_ms)
return taken
