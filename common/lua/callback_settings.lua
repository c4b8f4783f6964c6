-- What steps need to know that no worker takes: where outcomes go whose message names no URL ('': nowhere), and how many
-- callbacks may wait. ARGV: URL, most.
expect('HLEN', 'callbacks:settings')
call('HSET', key('callbacks:settings'), 'url', ARGV[1], 'max', ARGV[2])
return 1
