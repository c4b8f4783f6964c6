-- One grant of the org's window for a question of a command, such as a page of a report: a share as for questions about
-- statuses (share.lua). ARGV: name of the request, window limit, window in ms, how long the grant may wait to be used in ms.
-- Answers how long to wait in ms before asking again; 0: granted.
-- Parts: window, share
local limit, window_ms, margin_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = seen_ms()
expect('ZCARD', 'poll:window', 'window')
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('ZCARD', 'delayed')
expect('GET', 'poll:claim')
local hold = held_ms('hold', now)
if hold > 0 then return hold end
local granted, wait = share_of(1, limit, window_ms, margin_ms, now)
if granted == 0 then return math.max(1, wait) end
take_share(ARGV[1], limit, window_ms, margin_ms, now)
return 0
