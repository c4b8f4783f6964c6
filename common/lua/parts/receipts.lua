-- Receipts. `link:<provider's id>` says whose message that is, once the send's own answer has said so; what was heard
-- before is in `early:<provider's id>`, in the same fields as in the message's hash afterwards.
local ranks = {queued = 1, sent = 2, delivered = 3, read = 4, failed = 5}
-- Notes in a hash that a state was reached. The furthest state stands, and of each the earliest time, so that the end is
-- the same whatever the order; of a failure the code of the earliest (of two at once the greater text). Answers whether
-- the state is news, and what was known before. A key that is no hash is left alone.
local function hear(hash, state, at, code, keep_ms)
  local was = redis.pcall('HMGET', hash, 'delivery', state .. '_at', 'failure', 'delivered_at', 'read_at', 'state', 'at', 'channel', 'template',
    'callback')
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
  if not was[1] then call('PEXPIRE', hash, keep_ms) end -- one that is known has its time
  return not before, was
end
-- The same where nobody knows of a message yet, which asks for no answer: mostly the state is new there.
local function hear_early(hash, state, at, code, keep_ms)
  local is_new = redis.pcall('HSETNX', hash, state .. '_at', int(at))
  if is_new == 0 then hear(hash, state, at, code, keep_ms) end
  if is_new ~= 1 then return end
  if state == 'failed' then call('HSET', hash, 'failure', code) end
  call('PEXPIRE', hash, keep_ms)
end
-- In reports a receipt counts in the hour in which its message was sent, so that delivered ones are a part of sent ones.
-- Who has read a message has had it delivered, whether or not anybody said so.
local function report_receipt(was, campaign, state, at, now)
  local sent_at = was[6] == 'sent' and tonumber(was[7])
  local row = report_row(sent_at or now, campaign, was[8] or 'none', was[9] or '')
  if state == 'failed' then tally(row, 'f', 1) end
  if state == 'read' then tally(row, 'r', 1) end
  if state == 'delivered' and not was[5] or state == 'read' and not was[4] then tally(row, 'd', 1) end
  if state == 'delivered' and sent_at then tally_latency(row, 'L', 'l', at - sent_at) end
end
-- The same for a message that is known: what is news is counted.
local function apply(id, campaign, state, at, code, keep_ms, now)
  local is_news, was = hear(key('message:' .. id), state, at, code, keep_ms)
  if not is_news then return end
  report_receipt(was, campaign, state, at, now)
  count('counts', 'receipt:' .. state, 1)
  if campaign ~= '' then count('campaign:' .. campaign, 'receipt:' .. state, 1) end
  if was[10] then tell(was[10], 'receipt.' .. state, id, int(at), {'campaign', campaign, 'state', state, 'code', code}) end
end
-- Id, campaign and person of what a link holds; nothing when there is no link.
local function linked(link)
  if type(link) ~= 'string' then return nil end
  return string.match(link, '^(.-)\n(.-)\n(.*)$')
end
