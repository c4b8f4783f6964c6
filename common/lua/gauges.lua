-- How much is where, for whoever draws it: asked again and again, so nothing in it grows with what waits, and nothing is
-- changed. ARGV: window in ms (0: there is none).
-- Answers: the wall clock, depths of ready high, normal, low, delayed, of those due, in flight, parked, dead, grants in the window,
-- pause in ms, workers with a lease, length of the audit stream, age of its oldest entry in ms or -1, entries that were cut off it,
-- callbacks that wait, that are dead, that were dropped, then for each list its oldest message: when it was accepted (0: it does
-- not say) and a print of it ('': there is none).
-- Parts: window, audit
local READ_MAX, PRINT_MAX = 16384, 2048 -- bytes of a message that are worth reading for its age; and for its print
local now, wall = seen_ms(), wall_ms()
local window_ms = tonumber(ARGV[1])
local function accepted_at(text)
  if #text > READ_MAX then return 0 end
  local is_json, envelope = pcall(cjson.decode, text)
  local own = is_json and type(envelope) == 'table' and envelope.herald
  local at = type(own) == 'table' and own.accepted_at
  if type(at) ~= 'number' or at ~= at or at < 0 or at > wall then return 0 end
  return math.floor(at)
end
local oldest = {}
for _, letter in ipairs({'H', 'N', 'L'}) do
  local text = call('LINDEX', key(lists[letter]), -1)
  oldest[#oldest + 1] = text and int(accepted_at(text)) or '0'
  oldest[#oldest + 1] = text and redis.sha1hex(#text .. string.sub(text, 1, PRINT_MAX) .. string.sub(text, -PRINT_MAX)) or ''
end
local flying, parked, audit = 0, 0, audit_depth(wall)
for _, worker in ipairs(call('ZRANGE', key('workers'), 0, -1)) do
  flying = flying + call('HLEN', key('inflight:' .. worker))
end
for _, campaign in ipairs(call('SMEMBERS', key('parked'))) do
  parked = parked + call('LLEN', key('parked:' .. campaign))
end
local untold, dropped = call('ZCARD', key('callbacks:dead')), tonumber(call('HGET', key('counts'), 'callbacks_lost')) or 0
for _, number in ipairs(call('HMGET', key('callbacks:counts'), 'dropped', 'forgotten')) do dropped = dropped + (tonumber(number) or 0) end
return {wall, call('LLEN', key('ready:high')), call('LLEN', key('ready')), call('LLEN', key('ready:low')),
  call('ZCARD', key('delayed')), call('ZCOUNT', key('delayed'), '-inf', wall), flying, parked,
  call('LLEN', key('dead')) + call('HLEN', key('dead:letters')),
  window_ms > 0 and call('ZCOUNT', key('window'), now - window_ms, '+inf') or 0, held_ms('hold', now),
  call('ZCOUNT', key('workers'), '(' .. int(now), '+inf'), audit.kept, audit.oldest_ms, audit.cut,
  call('HLEN', key('callbacks:jobs')) - untold, untold, dropped, unpack(oldest)}
