-- Records messages as sent. ARGV: worker, keep_ms, audit_max, then for each: ticket, id, campaign, is new, provider's id,
-- conversation's id, audit entry. Repeating it changes nothing: a ticket is given up only once.
local inflight, keep_ms, audit_max = key('inflight:' .. ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = wall_ms()
expect('HLEN', 'counts')
expect('XLEN', 'audit')
for i = 4, #ARGV, 7 do
  local message = key('message:' .. ARGV[i + 1])
  local is_ours = call('HDEL', inflight, ARGV[i]) == 1
  local is_known = false
  if is_ours then
    settle(ARGV[i + 2], ARGV[i + 3], 'sent')
  else
    -- Taken from us meanwhile, or this is the same request again because its answer was lost.
    local was = redis.pcall('HMGET', message, 'state', 'provider_id')
    is_known = was[1] == 'sent' and was[2] == ARGV[i + 4]
    if not is_known then count('counts', 'late', 1) end
  end
  if not is_known then
    redis.pcall('HSET', message, 'state', 'sent', 'at', now, 'provider_id', ARGV[i + 4], 'conversation_id', ARGV[i + 5])
    call('PEXPIRE', message, keep_ms)
    call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 6])
  end
end
write_counts(keep_ms)
return 1
