-- Puts messages off: out of the worker's hands, on to the delayed set. ARGV: worker, keep_ms, audit_max, then for each:
-- ticket, campaign, is new, delay in ms, envelope, what to count it as, audit entry or '', 1 if its grant was not used, id,
-- attempts. One whose ticket is gone was taken from us or put off before: nothing to do.
-- Parts: window
local inflight, keep_ms, audit_max = key('inflight:' .. ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = wall_ms()
expect('ZCARD', 'delayed')
expect('HLEN', 'counts')
expect('XLEN', 'audit')
for i = 4, #ARGV, 10 do
  if call('HDEL', inflight, ARGV[i]) == 1 then
    call('ZADD', key('delayed'), now + tonumber(ARGV[i + 3]), ARGV[i + 4])
    settle(ARGV[i + 1], ARGV[i + 2], ARGV[i + 5])
    if ARGV[i + 6] ~= '' then call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 6]) end
    give_back(ARGV[i + 7], ARGV[i])
    -- Only those that came with a state to ask for have one before their end.
    local message = key('message:' .. ARGV[i + 8])
    if redis.pcall('HEXISTS', message, 'state') == 1 then call('HSET', message, 'attempts', ARGV[i + 9]) end
  end
end
write_counts(keep_ms)
return 1
