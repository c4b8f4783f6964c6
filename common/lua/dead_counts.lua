-- How many dead letters there are, by what. ARGV: most campaigns. Answers: now, letters, letters of an older Herald that
-- are not counted yet, the newest ticket or '', counts (field, number ...), campaigns with the most (name, number ...),
-- campaigns in all.
local newest = call('XREVRANGE', key('dead:index'), '+', '-', 'COUNT', 1)[1]
return {wall_ms(), call('HLEN', key('dead:letters')), call('LLEN', key('dead')), newest and newest[1] or '',
  call('HGETALL', key('dead:counts')), call('ZREVRANGE', key('dead:campaigns'), 0, tonumber(ARGV[1]) - 1, 'WITHSCORES'),
  call('ZCARD', key('dead:campaigns'))}
