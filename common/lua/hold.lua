-- Pauses the org, so that nobody takes a message for so long, or asking for statuses alone. A longer pause that is already
-- there stays. ARGV: ms, reason, `hold` or `poll:hold`, counter.
local until_ms = now_ms() + tonumber(ARGV[1])
local hold = call('GET', key(ARGV[3]))
if hold and (tonumber(string.match(hold, '^%d+')) or 0) >= until_ms then return 0 end
call('SET', key(ARGV[3]), int(until_ms) .. ' ' .. ARGV[2], 'PX', math.max(1, tonumber(ARGV[1])))
count('counts', ARGV[4], 1)
write_counts(0)
return 1
