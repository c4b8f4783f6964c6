-- A worker's heartbeat. ARGV: worker, lease in ms, note for people, keep_ms. The lease is its score among the workers.
local now = now_ms()
call('ZADD', key('workers'), now + tonumber(ARGV[2]), ARGV[1])
call('HSET', key('worker:' .. ARGV[1]), 'beat_at', now, 'note', ARGV[3])
call('PEXPIRE', key('worker:' .. ARGV[1]), ARGV[4])
return 1
