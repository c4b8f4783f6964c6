-- A request left later than its grant allowed for (a new connection had to be made): the grant counts from now. ARGV:
-- worker, ticket, sender or '', 1 for a question about statuses, which counts in their share as well. Grants that are not
-- there any more are passed over.
local now, member = now_ms(), ARGV[1] .. '/' .. ARGV[2]
call('ZADD', key('window'), 'XX', 'GT', now, member)
if ARGV[4] == '1' then call('ZADD', key('poll:window'), 'XX', 'GT', now, member) end
if ARGV[3] ~= '' then call('ZADD', key('window:' .. ARGV[3]), 'XX', 'GT', now, member) end
return 1
