-- Makes messages dead letters. ARGV: worker, keep_ms, audit_max, then for each: ticket, id, campaign, is new, reason, dead
-- letter, audit entry, 1 if its grant was not used. One whose ticket is gone was taken from us or buried before: nothing to do.
local inflight, keep_ms, audit_max = key('inflight:' .. ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = wall_ms()
expect('LLEN', 'dead')
expect('HLEN', 'counts')
expect('XLEN', 'audit')
for i = 4, #ARGV, 8 do
  if call('HDEL', inflight, ARGV[i]) == 1 then
    local message = key('message:' .. ARGV[i + 1])
    call('LPUSH', key('dead'), ARGV[i + 5])
    redis.pcall('HSET', message, 'state', 'dead', 'at', now, 'reason', ARGV[i + 4])
    call('PEXPIRE', message, keep_ms)
    settle(ARGV[i + 2], ARGV[i + 3], 'dead')
    count('counts', 'dead:' .. ARGV[i + 4], 1)
    if ARGV[i + 2] ~= '' then count('campaign:' .. ARGV[i + 2], 'dead:' .. ARGV[i + 4], 1) end
    call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 6])
    give_back(ARGV[i + 7], ARGV[i])
  end
end
write_counts(keep_ms)
return 1
