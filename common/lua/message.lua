-- What is known of a message: names and values as they are in `message:<id>`, wherever it is kept; none when nothing is known.
-- ARGV: id, its 16 bytes or '' when it is no UUID.
-- Parts: track
local fields = call('HGETALL', key('message:' .. ARGV[1]))
if #fields > 0 or ARGV[2] == '' then return fields end
local record, pointer = track_unusual().find(ARGV[2])
return record and track_unusual().fields(record, pointer) or {}
