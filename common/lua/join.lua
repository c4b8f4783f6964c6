-- A worker takes its name, or is told why not. ARGV: worker, instance (chance, one for each start), lease in ms, keep_ms,
-- environment, 1 to adopt. Answers `ok`, `name <ms>` (a worker has it, whose lease ends in so long), or `home <environment>` (these queues are
-- of another environment: a copy, perhaps, whose messages have been sent where it was made).
-- Parts: clock
local home = call('GET', key('home'))
if home and home ~= ARGV[5] and ARGV[6] ~= '1' then return 'home ' .. home end
local now = tick(0, 0)
local lease = tonumber(call('ZSCORE', key('workers'), ARGV[1]) or 0)
local instance = call('HGET', key('worker:' .. ARGV[1]), 'instance')
if lease > now and instance and instance ~= ARGV[2] then return 'name ' .. (lease - now) end
if call('EXISTS', key('inflight:' .. ARGV[1])) == 1 and instance ~= ARGV[2] then
  -- An earlier life of this name left messages behind: they get a name of their own, one that nobody had before, and are
  -- reaped under that.
  local ghost = ARGV[1] .. '~' .. ARGV[2]
  call('RENAME', key('inflight:' .. ARGV[1]), key('inflight:' .. ghost))
  call('ZADD', key('workers'), now - 1, ghost)
end
pulse(now, tonumber(ARGV[3]))
call('SET', key('home'), ARGV[5])
if instance ~= ARGV[2] then call('DEL', key('worker:' .. ARGV[1])) end -- what an earlier life of the name left there
call('ZADD', key('workers'), now + tonumber(ARGV[3]), ARGV[1])
call('HSET', key('worker:' .. ARGV[1]), 'instance', ARGV[2], 'beat_at', now, 'since', now, 'note', '', 'breaker', 'closed')
call('PEXPIRE', key('worker:' .. ARGV[1]), ARGV[4])
return 'ok'
