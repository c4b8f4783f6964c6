-- The last look before messages are sent. ARGV: worker, keep_ms, then for each: ticket, id, campaign, suppression entry of
-- the address, 1 if it was redelivered, and for one that a plain LPUSH brought the envelope it is to have from now on,
-- with the id that Genesys will see; '' for others. Answers one letter for each:
-- y send it; l no lease (send nothing); g gone, it was taken from us; w withdrawn, a late answer says that it was sent;
-- c its campaign is cancelled; p its campaign is paused; s the address has opted out (the worker buries it).
-- For w, c and p everything is done here.
local worker, keep_ms = ARGV[1], tonumber(ARGV[2])
expect('HLEN', 'inflight:' .. worker, 'counts')
expect('SCARD', 'suppressed', 'parked')
local inflight = key('inflight:' .. worker)
local has_lease = tonumber(call('ZSCORE', key('workers'), worker) or 0) > now_ms()
local states, answers = {}, {}
local function state_of(campaign)
  if campaign == '' then return '' end
  if not states[campaign] then states[campaign] = call('HGET', key('campaign:' .. campaign), 'state') or '' end
  return states[campaign]
end
for i = 3, #ARGV, 6 do
  local ticket, id, campaign = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local held = call('HGET', inflight, ticket)
  local answer = 'y'
  if held and has_lease and ARGV[i + 5] ~= '' then
    held = string.sub(held, 1, 1) .. ARGV[i + 5]
    call('HSET', inflight, ticket, held)
    count('counts', 'accepted', 1)
    if campaign ~= '' then count('campaign:' .. campaign, 'accepted', 1) end
  end
  if not held then
    answer = 'g'
  elseif not has_lease then
    answer = 'l'
  elseif ARGV[i + 4] == '1' and call('HGET', key('message:' .. id), 'state') == 'sent' then
    answer = 'w'
    settle(campaign, '0', 'sent')
    count('counts', 'withdrawn', 1)
  elseif state_of(campaign) == 'cancelled' then
    answer = 'c'
    settle(campaign, '0', 'cancelled')
  elseif state_of(campaign) == 'paused' then
    answer = 'p'
    call('LPUSH', key('parked:' .. campaign), held)
    call('SADD', key('parked'), campaign)
  elseif call('SISMEMBER', key('suppressed'), ARGV[i + 3]) == 1 then
    answer = 's'
  end
  if answer == 'w' or answer == 'c' or answer == 'p' then
    call('HDEL', inflight, ticket)
    give_back('1', ticket)
  end
  answers[#answers + 1] = answer
end
write_counts(keep_ms)
return table.concat(answers)
