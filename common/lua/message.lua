-- What is known of one message. ARGV: its id. Answers field, value, ... of its hash; nothing when it is not known.
-- It is dead as long as its letter is there: who replays a million of them need not write that a million times.
local all, of = call('HGETALL', key('message:' .. ARGV[1])), {}
for i = 1, #all, 2 do of[all[i]] = i + 1 end
if of.state and all[of.state] == 'dead' and of.letter and all[of.letter] ~= '' and
  call('HEXISTS', key('dead:letters'), all[of.letter]) == 0 then
  all[of.state], all[of.at] = 'accepted', '0' -- since when is not known
end
return all
