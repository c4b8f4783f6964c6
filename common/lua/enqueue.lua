-- Puts messages on their lists, each one only if its key was not seen before and its person has not opted out.
-- ARGV: keep_ms, dedup_ms, campaign_memory_ms, campaign or '', audit_max, audit entry without a count or '', then for each message: 16-byte key, list, due in ms or 0,
-- envelope, person (as in the suppression set) or ''. Answers one character a message: 1 accepted, 0 seen before, s opted out.
-- Parts: keys
local keep_ms, dedup_ms, memory_ms, campaign = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local now = wall_ms()
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('ZCARD', 'delayed')
expect('HLEN', 'counts')
expect('XLEN', 'audit')
local is_out = opted_out(11, 5)
if campaign ~= '' then expect('HLEN', 'campaign:' .. campaign) end
local sets, sets_ms = memory(campaign, dedup_ms, memory_ms)
-- Asked and written all at once: a command of a script costs Redis several times what it does.
local seen = {}
if #ARGV > 6 then
  local members = {}
  for i = 7, #ARGV, 5 do members[#members + 1] = ARGV[i] end
  for _, set in ipairs(sets) do
    for n, is_there in ipairs(call('SMISMEMBER', set, unpack(members))) do
      if is_there == 1 then seen[members[n]] = true end
    end
  end
end
local answers, fresh, pushed, put_off, duplicates = {}, {}, {}, {}, 0
for i = 7, #ARGV, 5 do
  local member, list, due, envelope = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if is_out[#answers + 1] == 1 then
    answers[#answers + 1] = 's'
  elseif not seen[member] then
    seen[member] = true
    fresh[#fresh + 1] = member
    if tonumber(due) > now then
      put_off[#put_off + 1] = due
      put_off[#put_off + 1] = envelope
    else
      pushed[list] = pushed[list] or {}
      table.insert(pushed[list], envelope)
    end
    answers[#answers + 1] = '1'
  else
    duplicates = duplicates + 1
    answers[#answers + 1] = '0'
  end
end
local accepted = #fresh
if accepted > 0 then call('SADD', sets[1], unpack(fresh)) end
if #put_off > 0 then call('ZADD', key('delayed'), unpack(put_off)) end
for list, envelopes in pairs(pushed) do call('LPUSH', key(list), unpack(envelopes)) end
call('PEXPIRE', sets[1], sets_ms)
if accepted > 0 then count('counts', 'accepted', accepted) end
if accepted > 0 and ARGV[6] ~= '' then
  call('XADD', key('audit'), 'MAXLEN', '~', ARGV[5], '*', 'e', string.sub(ARGV[6], 1, -2) .. ',"count":' .. int(accepted) .. '}')
end
if duplicates > 0 then count('counts', 'duplicates', duplicates) end
if campaign ~= '' then
  if accepted > 0 then count('campaign:' .. campaign, 'accepted', accepted) end
  call('HSETNX', key('campaign:' .. campaign), 'first_at', now)
end
write_counts(keep_ms)
return table.concat(answers)
