-- A worker that has nothing in flight takes itself off the list. ARGV: worker. Answers 0 if it still holds something.
if call('EXISTS', key('inflight:' .. ARGV[1])) == 1 then return 0 end
call('ZREM', key('workers'), ARGV[1])
call('DEL', key('worker:' .. ARGV[1]))
return 1
