-- After a connection broke with a reserve on it: that reserve may still reach Redis, later than the release of what it
-- could have taken. ARGV: worker, ticket prefix, the first ticket that has not been asked for. Reserves below it take nothing.
-- In a key of its own: what is known about a worker goes away with its lease, and a late reserve does not.
call('HSET', key('fence:' .. ARGV[1]), ARGV[2], ARGV[3])
call('PEXPIRE', key('fence:' .. ARGV[1]), 24 * 3600 * 1000)
return 1
