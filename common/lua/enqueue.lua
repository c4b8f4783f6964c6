-- Puts messages on their lists, each one only if its key was not seen before.
-- ARGV: keep_ms, dedup_ms, campaign_memory_ms, campaign or '', then for each message: 16-byte key, list, due in ms or 0,
-- envelope. Answers one character a message: 1 accepted, 0 seen before.
local keep_ms, dedup_ms, memory_ms, campaign = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local now = wall_ms()
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('ZCARD', 'delayed')
expect('HLEN', 'counts')
if campaign ~= '' then expect('HLEN', 'campaign:' .. campaign) end
local buckets = {}
if campaign ~= '' then
  -- One set for each campaign, kept while the campaign may be run again: one look-up a message.
  buckets[1] = key('seen:campaign:' .. campaign)
else
  -- Sets for thirds of the time that a key is remembered, so that memory is given back a whole set at a time.
  local width = math.max(1, math.ceil(dedup_ms / 3))
  local at = math.floor(seen_ms() / width)
  for i = 0, 3 do buckets[i + 1] = key('seen:' .. (at - i)) end
end
local answers, accepted = {}, 0
for i = 5, #ARGV, 4 do
  local member, list, due, envelope = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local is_new = true
  for b = 2, #buckets do
    if is_new and call('SISMEMBER', buckets[b], member) == 1 then is_new = false end
  end
  if is_new and call('SADD', buckets[1], member) == 1 then
    if due > now then call('ZADD', key('delayed'), due, envelope)
    else call('LPUSH', key(list), envelope) end
    accepted = accepted + 1
    answers[#answers + 1] = '1'
  else
    answers[#answers + 1] = '0'
  end
end
call('PEXPIRE', buckets[1], campaign ~= '' and memory_ms or dedup_ms * 2)
local total = #answers
if accepted > 0 then count('counts', 'accepted', accepted) end
if total > accepted then count('counts', 'duplicates', total - accepted) end
if campaign ~= '' then
  if accepted > 0 then count('campaign:' .. campaign, 'accepted', accepted) end
  call('HSETNX', key('campaign:' .. campaign), 'first_at', now)
end
write_counts(keep_ms)
return table.concat(answers)
