-- Who exports the audit. ARGV: exporter (a new one at each start), lease in ms (0: give it up), where it writes, for people.
-- Only one may: another one that wants to waits until the lease has run out. `audit:export` is a hash of the exporter and of how
-- far it is, and stays, because the chain goes on from there. What one who takes over finds is kept as `from`, so that the one
-- before can tell whether its last step was taken.
-- Answers 1 and whether anything was acknowledged here before (a claim alone says nothing), or 0 and where the other one writes
-- and how long its lease still is; in both cases then: id, number and hash of the last line that was acknowledged, its file,
-- how far that goes, entries that were lost, oldest id, newest id, entries.
local export, now = key('audit:export'), seen_ms()
local lease_ms = tonumber(ARGV[2])
expect('XLEN', 'audit')
local was = call('HMGET', export, 'owner', 'until', 'place', 'id', 'seq', 'sha256', 'file', 'size', 'lost')
-- Who has the lock of the same files knows that the one before is dead.
local is_free = not was[1] or was[1] == ARGV[1] or was[3] == ARGV[3] or (tonumber(was[2]) or 0) <= now
local oldest, newest = call('XRANGE', key('audit'), '-', '+', 'COUNT', 1)[1], call('XREVRANGE', key('audit'), '+', '-', 'COUNT', 1)[1]
local about = {was[4] or '', was[5] or 0, was[6] or '', was[7] or '', was[8] or 0, was[9] or 0, oldest and oldest[1] or '',
  newest and newest[1] or '', call('XLEN', key('audit'))}
if not is_free then return {0, was[3] or '', (tonumber(was[2]) or 0) - now, unpack(about)} end
if lease_ms == 0 then
  if was[1] == ARGV[1] then call('HSET', export, 'until', 0) end
  return {1, '', 0, unpack(about)}
end
if was[1] ~= ARGV[1] then call('HSET', export, 'from', was[6] or '') end
call('HSET', export, 'owner', ARGV[1], 'until', int(now + lease_ms), 'place', ARGV[3])
return {1, was[5] and '1' or '0', 0, unpack(about)}
