-- Everything that `herald status` shows, read in one step so that the sum is one of one instant.
-- Answers: now, depths of ready high, normal, low, delayed, dead, window in use, next due or 0, hold or '', length of the
-- audit stream, entries that were cut off it, counters (field, value ...), workers (id, lease until, in flight, beat, note, breaker, since ...), parked,
-- conversations in which statuses are asked for, pause of asking or '', callbacks: waiting, in flight, dead, counters (field,
-- value ...), age of the oldest entry of the audit in ms or -1, ms since the last export or -1, entries exported out of this
-- stream, lease of the exporter in ms or 0, where it writes.
-- Parts: audit
local now, wall = seen_ms(), wall_ms()
local due = call('ZRANGE', key('delayed'), 0, 0, 'WITHSCORES')
local workers = {}
local ids = call('ZRANGE', key('workers'), 0, -1, 'WITHSCORES')
for i = 1, #ids, 2 do
  local about = call('HMGET', key('worker:' .. ids[i]), 'beat_at', 'note', 'breaker', 'since')
  workers[#workers + 1] = ids[i]
  workers[#workers + 1] = ids[i + 1]
  workers[#workers + 1] = call('HLEN', key('inflight:' .. ids[i]))
  workers[#workers + 1] = about[1] or ''
  for f = 2, 4 do workers[#workers + 1] = about[f] or '' end
end
local parked = 0
for _, campaign in ipairs(call('SMEMBERS', key('parked'))) do
  parked = parked + call('LLEN', key('parked:' .. campaign))
end
local audit = audit_depth(wall)
local untold, leased = call('ZCARD', key('callbacks:dead')), call('ZCOUNT', key('callbacks:leased'), int(now), '+inf')
local export = call('HMGET', key('audit:export'), 'at', 'seq', 'base', 'until', 'place')
local exported_at = tonumber(export[1])
return {now, call('LLEN', key('ready:high')), call('LLEN', key('ready')), call('LLEN', key('ready:low')),
  call('ZCARD', key('delayed')), call('LLEN', key('dead')) + call('HLEN', key('dead:letters')), call('ZCARD', key('window')),
  due[2] and math.max(1, due[2] - wall + now) or 0, call('GET', key('hold')) or '', audit.kept, audit.cut, call('HGETALL', key('counts')),
  workers, parked, call('ZCARD', key('poll')), call('GET', key('poll:hold')) or '',
  {call('HLEN', key('callbacks:jobs')) - untold - leased, leased, untold, call('HGETALL', key('callbacks:counts'))},
  audit.oldest_ms, exported_at and math.max(0, wall - exported_at) or -1, (tonumber(export[2]) or 0) - (tonumber(export[3]) or 0),
  math.max(0, (tonumber(export[4]) or 0) - now), export[5] or ''}
