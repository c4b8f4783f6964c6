-- Records receipts: each event once, states that only go forward, counters, suppression and the audit. ARGV: keep_ms,
-- dedup_ms, audit_max, report_ms, then for each: 14-byte key of the event, provider's id, its 16 bytes or '' when it is no UUID,
-- state, when in ms or 0, code of a failure, 1 if the person must not be written to again, who that is (as in the suppression
-- set) or '', audit entry or ''.
-- Answers one character for each: 1 recorded, 0 recorded before, e recorded for a message that is not known yet: it
-- counts when the send's own answer comes (sent.lua).
-- Parts: callbacks, report, track, receipts, keys
local keep_ms, dedup_ms, audit_max = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local early_ms = int(math.max(tonumber(keep_ms), dedup_ms)) -- for as long as the event would not be taken again
local now = wall_ms()
expect('HLEN', 'counts')
expect('XLEN', 'audit')
expect('SCARD', 'suppressed')
-- Sets for thirds of the time that an event is remembered, as for idempotency keys; of the older ones those that are there.
local width = math.max(1, math.ceil(dedup_ms / 3))
local sets = {key('seen:webhook:' .. math.floor(now / width))}
call('SCARD', sets[1])
for i = 1, 3 do
  local older = key('seen:webhook:' .. (math.floor(now / width) - i))
  if call('SCARD', older) > 0 then sets[#sets + 1] = older end
end
local function audit(entry, owner, is_suppressed)
  if entry == '' then return end
  if is_suppressed then entry = string.sub(entry, 1, -2) .. ',"suppressed":true}' end
  if owner then
    entry = string.sub(entry, 1, -2) .. ',"id":' .. cjson.encode(owner.id) ..
      (owner.campaign ~= '' and ',"campaign":' .. cjson.encode(owner.campaign) or '') .. '}'
  end
  call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', entry)
end
local function record(provider, bytes, state, at, code, opts_out, person)
  local owner = owner_of(provider, bytes, keep_ms)
  local early = key('early:' .. provider)
  if owner then
    apply(owner, state, at, code, keep_ms, now)
  else
    hear_early(early, state, at, code, early_ms)
  end
  if opts_out and person == '' and owner then person = person_of(owner) end
  local is_suppressed = opts_out and person ~= '' and call('SADD', key('suppressed'), person) == 1
  if opts_out and person == '' and not owner then redis.pcall('HSET', early, 'opted_out', 1) end
  return owner, is_suppressed
end
-- Looked up for all at once: a command costs more than what it looks at.
local events, known = {}, {}
for i = 5, #ARGV, 9 do events[#events + 1] = ARGV[i] end
for _, set in ipairs(sets) do
  for n, is_in in ipairs(call('SMISMEMBER', set, unpack(events))) do
    if is_in == 1 then known[events[n]] = true end
  end
end
local answers, new = {}, {}
for n, event in ipairs(events) do
  local answer = '0'
  if not known[event] then
    known[event] = true
    new[#new + 1] = event
    local i = 9 * n - 4
    local at = tonumber(ARGV[i + 4])
    if at <= 0 then at = now end
    local owner, is_suppressed = record(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], at, ARGV[i + 5], ARGV[i + 6] == '1', ARGV[i + 7])
    audit(ARGV[i + 8], owner, is_suppressed)
    answer = owner and '1' or 'e'
  end
  answers[n] = answer
end
-- Behind what they say: an event that is remembered was recorded.
if #new > 0 then call('SADD', sets[1], unpack(new)) end
call('PEXPIRE', sets[1], dedup_ms * 2)
write_report(keep_ms, tonumber(ARGV[4]))
write_counts(keep_ms)
return table.concat(answers)
