-- Requests left later than their grants allowed for (a new connection had to be made, or there was much to do), or were longer on
-- their way: the grants count from later. ARGV: for each: worker, ticket, sender or '', 1 for a question about statuses, which
-- counts in their share as well, and how many ms ago it left or arrived. Grants that are not there any more are passed over.
local at, grants, polls = now_ms(), {}, {}
for i = 1, #ARGV, 5 do
  local member, now = ARGV[i] .. '/' .. ARGV[i + 1], int(at - ARGV[i + 4])
  grants[#grants + 1] = now
  grants[#grants + 1] = member
  if ARGV[i + 3] == '1' then
    polls[#polls + 1] = now
    polls[#polls + 1] = member
  end
  if ARGV[i + 2] ~= '' then call('ZADD', key('window:' .. ARGV[i + 2]), 'XX', 'GT', now, member) end
end
call('ZADD', key('window'), 'XX', 'GT', unpack(grants))
if #polls > 0 then call('ZADD', key('poll:window'), 'XX', 'GT', unpack(polls)) end
return 1
