-- After a connection broke with a reserve on it: that reserve may still reach Redis, later than the release of what it
-- could have taken. ARGV: worker, ticket prefix, the first ticket that has not been asked for. Reserves below it take nothing.
call('HSET', key('worker:' .. ARGV[1]), 'fence:' .. ARGV[2], ARGV[3])
return 1
