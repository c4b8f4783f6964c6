-- Pauses the org: nobody takes a message for so long. A longer pause that is already there stays. ARGV: ms, reason.
local until_ms = now_ms() + tonumber(ARGV[1])
local hold = call('GET', key('hold'))
if hold and (tonumber(string.match(hold, '^%d+')) or 0) >= until_ms then return 0 end
call('SET', key('hold'), string.format('%.0f', until_ms) .. ' ' .. ARGV[2], 'PX', math.max(1, tonumber(ARGV[1])))
count('counts', 'holds', 1)
write_counts(0)
return 1
