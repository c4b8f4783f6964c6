-- Receipts. `link:<provider's id>` says whose message that is, once the send's own answer has said so; what was heard
-- before is in `early:<provider's id>`, in the same fields as in the message's hash afterwards.
local ranks = {queued = 1, sent = 2, delivered = 3, read = 4, failed = 5}
-- Notes in a hash that a state was reached. The furthest state stands, and of each the earliest time, so that the end is
-- the same whatever the order; of a failure the code of the earliest (of two at once the greater text). Answers whether
-- the state is news, and whom to tell it. A key that is no hash is left alone.
local function hear(hash, state, at, code, keep_ms)
  local was = redis.pcall('HMGET', hash, 'delivery', state .. '_at', 'failure', 'callback')
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
  return not before, was[4]
end
-- The same for a message that is known: what is news is counted.
local function apply(id, campaign, state, at, code, keep_ms)
  local is_news, url = hear(key('message:' .. id), state, at, code, keep_ms)
  if not is_news then return end
  count('counts', 'receipt:' .. state, 1)
  if campaign ~= '' then count('campaign:' .. campaign, 'receipt:' .. state, 1) end
  if url then tell(url, 'receipt.' .. state, id, int(at), {'campaign', campaign, 'state', state, 'code', code}) end
end
-- Id, campaign and person of what a link holds; nothing when there is no link.
local function linked(link)
  if type(link) ~= 'string' then return nil end
  return string.match(link, '^(.-)\n(.-)\n(.*)$')
end
