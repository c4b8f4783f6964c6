-- The org's clock moved on, and its pulse.
local NOTICED_MS, STRAY_MS, STRAYS = 1000, 24 * 3600 * 1000, 500
-- What was put off while Redis' clock was ahead would wait until it is that late again, so it comes forward by as much.
-- A message that has a time of its own, and comes forward with the rest, is put back where it belongs by whoever takes it.
local function bring_back_strays(by)
  local from, to = unpack(call('HMGET', key('clock'), 'stray_from', 'stray_to'))
  local strays = call('ZRANGEBYSCORE', key('delayed'), from, to, 'WITHSCORES', 'LIMIT', 0, STRAYS)
  for i = 1, #strays, 2 do
    call('ZADD', key('delayed'), int(tonumber(strays[i + 1]) - by), strays[i])
  end
  if #strays < 2 * STRAYS then call('HDEL', key('clock'), 'stray_by', 'stray_from', 'stray_to')
  else call('HSET', key('clock'), 'stray_from', strays[#strays]) end
end
-- Moves the org's time on. It should be between `least` and `most` by the count of a worker that has heard it before and has
-- a clock that nobody sets (0: it has not); what Redis' clock has moved beyond that is a jump, and does not count. Returns
-- both times.
local function tick(least, most)
  local now, passed, wall, stray_by = read_clock()
  local next_ms = now + math.max(0, passed)
  if most > 0 and (passed < 0 or next_ms > most + NOTICED_MS) then next_ms = math.max(now, least) end
  if passed < -NOTICED_MS then
    stray_by = -passed
    call('HSET', key('clock'), 'stray_by', int(stray_by), 'stray_from', int(wall),
      'stray_to', int(wall - passed + STRAY_MS))
  end
  call('HSET', key('clock'), 'now', int(next_ms), 'wall', int(wall))
  stray_by = tonumber(stray_by)
  if stray_by then bring_back_strays(stray_by) end
  return next_ms, wall
end
-- Every beat of any worker is the org's pulse. When it has been silent for half a lease, Redis was away or all workers
-- were, and leases have run out that nobody gave up: for one lease nobody is reaped, so that whoever is alive can say so.
-- Both keys are one number for the org, and stay: what Redis expires goes by its own clock, which jumps.
local function pulse(now, lease_ms)
  local last = tonumber(call('GET', key('pulse')) or 0)
  if math.abs(now - last) > lease_ms / 2 then call('SET', key('calm'), int(now + lease_ms)) end
  call('SET', key('pulse'), int(now))
end
local function is_calm(now) return tonumber(call('GET', key('calm')) or 0) > now end
