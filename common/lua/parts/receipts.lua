-- Receipts. A link says whose message a provider's id is, once the send's own answer has said so (track.lua); what was
-- heard before is in `early:<provider's id>`, in the same fields as in the message's hash afterwards.
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
  return not before, {delivered = was[4], read = was[5], sent_at = was[6] == 'sent' and tonumber(was[7]), channel = was[8],
    template = was[9], callback = was[10]}
end
-- The same in a packed record, which knows no failures. False when it does not fit: then it is in the hash from now on.
local BITS = {queued = 4, sent = 8, delivered = 16, read = 32} -- in a record's first byte, as it has the instants
local function hear_packed(owner, state, at, keep_ms)
  local text, has, bit, from = owner.record, string.byte(owner.record), BITS[state], RECORD_MIN + 1
  local was = {delivered = has % 32 >= 16, read = has % 64 >= 32, sent_at = owner.sent_at, channel = owner.names.channel,
    template = owner.names.template}
  if bit then
    local before, after, is_there = 1, at - owner.sent_at, has % (2 * bit) >= bit
    while before < bit do
      if has % (2 * before) >= before then from = from + 4 end
      before = 2 * before
    end
    if is_there and unpack_bytes('>i4', text, from) <= after then return true, false, was end
    if after > -2147483648 and after < 2147483648 then
      text = string.char(is_there and has or has + bit) .. sub(text, 2, from - 1) .. pack_bytes('>i4', after) ..
        sub(text, is_there and from + 4 or from)
      if put(owner.generation, owner.field, text) then
        owner.record = text
        return true, not is_there, was
      end
    end
  end
  track_unusual().open(owner.bytes, keep_ms)
  return false
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
  local row = report_row(was.sent_at or now, campaign, was.channel or 'none', was.template or '')
  if state == 'failed' then tally(row, 'f', 1) end
  if state == 'read' then tally(row, 'r', 1) end
  if state == 'delivered' and not was.read or state == 'read' and not was.delivered then tally(row, 'd', 1) end
  if state == 'delivered' and was.sent_at then tally_latency(row, 'L', 'l', at - was.sent_at) end
end
-- The same for a message that is known: what is news is counted.
local function apply(owner, state, at, code, keep_ms, now)
  local is_packed, is_news, was = false, nil, nil
  if owner.record then is_packed, is_news, was = hear_packed(owner, state, at, keep_ms) end
  if not is_packed then
    owner.record = nil
    is_news, was = hear(key('message:' .. owner.id), state, at, code, keep_ms)
  end
  if not is_news then return end
  local campaign = owner.campaign
  report_receipt(was, campaign, state, at, now)
  count('counts', 'receipt:' .. state, 1)
  if campaign ~= '' then count('campaign:' .. campaign, 'receipt:' .. state, 1) end
  if was.callback then tell(was.callback, 'receipt.' .. state, owner.id, int(at), {'campaign', campaign, 'state', state, 'code', code}) end
end
-- Whose message a provider's id is: id, campaign, and where its record is when it is packed; nil when nobody knows.
-- `bytes`: of the provider's id, '' when it is no UUID; `keep_ms`: how much longer a link of its own is kept from now on.
local function owner_of(provider, bytes, keep_ms)
  local field, text, generation = 'p' .. bytes, nil, nil
  if bytes ~= '' then text, generation = look_up(field) end
  if text and is_record(text) then
    local _, _, number, sent_at = unpack_bytes('>BBI2I6', text)
    local names, own = names_of(generation, number), sub(text, 11, 26)
    return {id = id_text(own), bytes = own, field = field, campaign = names.campaign, names = names, record = text, sent_at = sent_at,
      generation = generation}
  elseif text and #text == 16 then
    local id = id_text(text)
    local campaign = redis.pcall('HGET', key('message:' .. id), 'campaign')
    return {id = id, bytes = text, campaign = type(campaign) == 'string' and campaign or '', generation = generation}
  end
  text = redis.pcall('GETEX', key('link:' .. provider), 'PX', keep_ms)
  if type(text) ~= 'string' then return nil end
  local id, campaign, person = string.match(text, '^(.-)\n(.-)\n(.*)$')
  return id and {id = id, campaign = campaign, person = person} or nil
end
-- Whom a message went to, as in the suppression set.
local function person_of(owner)
  if owner.person then return owner.person end
  local field = 'm' .. owner.bytes
  local pointer = redis.pcall('HGET', shard_of(owner.generation, field), field)
  return type(pointer) == 'string' and sub(pointer, 33) or ''
end
-- From here on the receipts of this provider's id are this message's: those that were faster than the answer count now.
-- Answers whether one of them said that its person must not be written to again, whom only the answer names.
local function apply_early(provider, owner, keep_ms, now)
  local flat, early = redis.pcall('HGETALL', key('early:' .. provider)), {}
  for i = 1, #flat, 2 do early[flat[i]] = flat[i + 1] end
  if #flat == 0 then return false end
  for state in pairs(ranks) do
    local at = tonumber(early[state .. '_at'])
    if at then apply(owner, state, at, early.failure or '', keep_ms, now) end
  end
  call('DEL', key('early:' .. provider))
  return early.opted_out ~= nil
end
