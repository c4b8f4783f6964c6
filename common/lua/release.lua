-- Gives messages back unchanged, to the front of their lists in the order they were taken. ARGV: worker, audit_max, then
-- for each: ticket, 1 if its grant was not used, audit entry or ''. A ticket that is not there is passed over, so a worker whose reserve was cut off
-- from its answer may give back every ticket that it could have been handed.
-- Parts: window
local inflight = key('inflight:' .. ARGV[1])
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('HLEN', 'counts')
expect('XLEN', 'audit')
for i = #ARGV - 2, 3, -3 do
  local held = call('HGET', inflight, ARGV[i])
  if held then
    call('HDEL', inflight, ARGV[i])
    call('RPUSH', key(lists[string.sub(held, 1, 1)] or 'ready'), string.sub(held, 2))
    give_back(ARGV[i + 1], ARGV[i])
    count('counts', 'returned', 1)
    if ARGV[i + 2] ~= '' then call('XADD', key('audit'), 'MAXLEN', '~', ARGV[2], '*', 'e', ARGV[i + 2]) end
  end
end
write_counts(0)
return 1
