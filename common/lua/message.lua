-- What is known of one message. ARGV: its id, the 16 bytes of that or '' when it is no UUID. Answers field, value, ... as they are
-- in its hash, also when it is packed; nothing when it is not known.
-- It is dead as long as its letter is there: who replays a million of them need not write that a million times.
-- Parts: track
local all, of = call('HGETALL', key('message:' .. ARGV[1])), {}
if #all == 0 and ARGV[2] ~= '' then
  local record, pointer = track_unusual().find(ARGV[2])
  return record and track_unusual().fields(record, pointer) or {}
end
for i = 1, #all, 2 do of[all[i]] = i + 1 end
if of.state and all[of.state] == 'dead' and of.letter and all[of.letter] ~= '' and
  call('HEXISTS', key('dead:letters'), all[of.letter]) == 0 then
  all[of.state], all[of.at] = 'accepted', '0' -- since when is not known
end
return all
