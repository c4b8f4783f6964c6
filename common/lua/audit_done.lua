-- What was exported is on the disk: it leaves the stream, and how far the export is changes in the same step. ARGV: exporter,
-- lease in ms, id of the last entry, id of the first one to keep, number and hash of its line, file, bytes of that, entries
-- that were cut off before, 1 if all of this chain so far was never in this stream. Answers 1, or 0 and what the one who took over found.
-- Repeating it changes nothing.
local export = key('audit:export')
expect('XLEN', 'audit')
if call('HGET', export, 'owner') ~= ARGV[1] then return {0, call('HGET', export, 'from') or '', call('HGET', export, 'place') or ''} end
if ARGV[3] ~= '' then call('XTRIM', key('audit'), 'MINID', '=', ARGV[4]) end
call('HSET', export, 'id', ARGV[3], 'seq', ARGV[5], 'sha256', ARGV[6], 'file', ARGV[7], 'size', ARGV[8], 'lost', ARGV[9], 'at', int(wall_ms()),
  'until', int(seen_ms() + tonumber(ARGV[2])))
if ARGV[10] == '1' then call('HSET', export, 'base', ARGV[5], 'base_lost', ARGV[9]) end
return {1}
