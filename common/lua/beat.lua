-- A worker's heartbeat. ARGV: worker, instance, lease in ms, note for people, keep_ms, state of its circuit breaker, what
-- the time should be (2, see tick). The lease is its score among the workers. Answers the time, or 0 when another instance has
-- the name: this one may send no more.
-- Parts: clock
local about = key('worker:' .. ARGV[1])
local instance = call('HGET', about, 'instance')
if instance and instance ~= ARGV[2] then return 0 end
local now = tick(tonumber(ARGV[7]), tonumber(ARGV[8]))
pulse(now, tonumber(ARGV[3]))
call('ZADD', key('workers'), now + tonumber(ARGV[3]), ARGV[1])
call('HSET', about, 'instance', ARGV[2], 'beat_at', now, 'note', ARGV[4], 'breaker', ARGV[6])
call('PEXPIRE', about, ARGV[5])
return now
