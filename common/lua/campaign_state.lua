-- Pauses, resumes or cancels a campaign. ARGV: campaign, `paused`, `running` or `cancelled`, most messages at once, keep_ms,
-- audit_max, audit entry, written when this changes the state.
-- Answers how many parked messages it moved (to the front of their lists) or ended; as many as asked means: call again.
-- -1: there is no such campaign; -2: it is cancelled, which is for good.
-- Parts: callbacks
local campaign, state, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
expect('HLEN', 'campaign:' .. campaign, 'counts')
expect('XLEN', 'audit')
expect('LLEN', 'parked:' .. campaign, 'ready:high', 'ready', 'ready:low')
local about, parked = key('campaign:' .. campaign), key('parked:' .. campaign)
if call('EXISTS', about) == 0 then return -1 end
local was = call('HGET', about, 'state') or 'running'
if was == 'cancelled' and state ~= 'cancelled' then return -2 end
if was ~= state then call('XADD', key('audit'), 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[6]) end
call('HSET', about, 'state', state)
keep('campaign:' .. campaign, ARGV[4])
if state == 'paused' then return 0 end
local moved = 0
while moved < most do
  local held = call('LPOP', parked) -- the last parked goes to the front first, so that the first is in front at the end
  if not held then break end
  if state == 'cancelled' then
    settle(campaign, '0', 'cancelled')
    local is_json, message = pcall(cjson.decode, string.sub(held, 2))
    if is_json and type(message) == 'table' and type(message.id) == 'string' then
      note_cancelled(message.id, ARGV[4])
      tell_cancelled(held, message.id, campaign)
    end
  else
    call('RPUSH', key(lists[string.sub(held, 1, 1)] or 'ready'), string.sub(held, 2))
  end
  moved = moved + 1
end
if call('EXISTS', parked) == 0 then call('SREM', key('parked'), campaign) end
write_counts(ARGV[4])
return moved
