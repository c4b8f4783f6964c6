-- Ends questions about statuses. ARGV: worker, when to ask first in ms, age in ms from which on nobody asks, then for each:
-- ticket, `later`, `soon` (due again at once) or `unused` (as soon, and its grant goes back), conversation or '', the messages that were asked for with a blank behind each, those
-- of them that need not be asked for again likewise. The others wait behind those that were not asked for.
-- Parts: window, polls
local first_ms, age_ms = tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_ms()
expect('ZCARD', 'poll', 'poll:window')
expect('HLEN', 'poll:messages')
local function set_of(ids)
  local set = {}
  for id in string.gmatch(ids, '%S+') do set[id] = true end
  return set
end
for i = 4, #ARGV, 5 do
  local ticket, again, conversation = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local asked, ended = set_of(ARGV[i + 3]), set_of(ARGV[i + 4])
  give_back(again == 'unused' and '1' or '0', ticket)
  if again == 'unused' then call('ZREM', key('poll:window'), ARGV[1] .. '/' .. ticket) end
  local text = conversation ~= '' and call('HGET', key('poll:messages'), conversation)
  if text then
    local before, behind, youngest = {}, {}, 0
    for since, id in string.gmatch(text, '(%d+) (%S+) ') do
      local line = since .. ' ' .. id .. ' '
      if not ended[id] then
        local part = asked[id] and behind or before
        part[#part + 1] = line
        youngest = math.max(youngest, tonumber(since))
      end
    end
    local due = again ~= 'later' and now or ask_at(now, youngest, first_ms, age_ms)
    keep_polled(conversation, table.concat(before) .. table.concat(behind), due, age_ms)
  end
end
return 1
