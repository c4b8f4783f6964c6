-- Takes dead letters out: back on a list (a replay), or away for good (a purge). Each is taken at most once, by whoever is
-- first. Letters of a step have few kinds, so what is said of a kind is said once. ARGV: run (chance, one for each run of
-- a program, and which of its two steps under way), number of the step, keep_ms, audit_max, 1 if no other letter lies
-- between the first and the last, number of kinds, for each kind: reason, campaign, channel, when it died (to the hour),
-- list (or '' to purge), audit entry without an id; then for each letter: kind, ticket, id, envelope.
-- Answers a text with one letter for each: y done; g gone, somebody else took it; s its message was sent after all (a
-- late answer said so): it stays. A step that is asked for again, because its answer was lost, answers the same again.
-- Numbers stay text here: Redis would print each of them anew for every call.
-- Parts: letters
local keep_ms, audit_max, now = ARGV[3], ARGV[4], int(wall_ms())
local run = key('dead:run:' .. ARGV[1])
expect('GET', 'dead:run:' .. ARGV[1])
expect_letters()
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('HLEN', 'counts')
expect('XLEN', 'audit')
local step, answer = string.match(call('GET', run) or '', '^(%d+) (%a*)$')
if step == ARGV[2] then return answer end
local answers, wanted, tickets, kinds, back = {}, {}, {}, {}, {} -- wanted: places in ARGV; kinds: by their number as text
local first = 7 + 6 * ARGV[6]
for at = 7, first - 1, 6 do
  kinds[int((at - 1) / 6)] = {reason = ARGV[at], campaign = ARGV[at + 1], channel = ARGV[at + 2], at = tonumber(ARGV[at + 3]),
    list = ARGV[at + 4], audit = string.sub(ARGV[at + 5], 1, -2) .. ',"id":"', count = 0}
end
local messages = key('message:')
local function state_of(id)
  local state = id ~= '' and redis.pcall('HGET', messages .. id, 'state')
  return type(state) == 'string' and state
end
-- Letters of which a late answer said so are noted by themselves, too: what is known of a message is forgotten before (--keep).
local any_is_sent = call('HLEN', key('dead:sent')) > 0
local function was_sent(ticket, id)
  return state_of(id) == 'sent' or any_is_sent and call('HEXISTS', key('dead:sent'), ticket) == 1
end
for i = first, #ARGV, 4 do
  local answer = 'g'
  if kinds[ARGV[i]].list ~= '' and was_sent(ARGV[i + 1], ARGV[i + 2]) then
    if call('HEXISTS', key('dead:letters'), ARGV[i + 1]) == 1 then answer = 's' end
  else
    wanted[#wanted + 1] = i
    tickets[#tickets + 1] = ARGV[i + 1]
  end
  answers[#answers + 1] = answer
end
-- Letters that are the oldest of all go in one cut: XDEL looks for each of them from the start of its node.
local function leave_index()
  local index, last = key('dead:index'), tickets[#tickets]
  if ARGV[5] == '1' and #tickets == #answers and call('XRANGE', index, '-', '+', 'COUNT', 1)[1][1] == tickets[1] then
    local ms, number = string.match(last, '^(%d+)%-(%d+)$')
    call('XTRIM', index, 'MINID', '=', ms .. '-' .. int(number + 1))
  else
    call('XDEL', index, unpack(tickets))
  end
end
-- All at once, as it nearly always is. When some are gone, the index, which still has the others, tells which.
local function take_all()
  local taken = {}
  if #tickets == 0 then return taken end
  if any_is_sent then call('HDEL', key('dead:sent'), unpack(tickets)) end
  if call('HDEL', key('dead:letters'), unpack(tickets)) == #tickets then
    leave_index()
    return wanted
  end
  for w, ticket in ipairs(tickets) do
    if call('XDEL', key('dead:index'), ticket) == 1 then taken[#taken + 1] = wanted[w] end
  end
  return taken
end
local stream = key('audit')
for _, i in ipairs(take_all()) do
  local kind, id = kinds[ARGV[i]], ARGV[i + 2]
  answers[(i - first) / 4 + 1] = 'y'
  kind.count = kind.count + 1
  if kind.list ~= '' then
    local envelopes = back[kind.list]
    if not envelopes then envelopes = {} back[kind.list] = envelopes end
    envelopes[#envelopes + 1] = ARGV[i + 3]
  else
    -- A message is dead as long as its letter is there (message.lua), so only a purge has to say what became of it; what was
    -- forgotten of it (--keep) stays so.
    local state = state_of(id)
    if state and state ~= 'sent' then
      redis.pcall('HSET', messages .. id, 'state', 'purged', 'at', now, 'reason', '', 'letter', '')
      call('PEXPIRE', messages .. id, keep_ms)
    end
  end
  call('XADD', stream, 'MAXLEN', '~', audit_max, '*', 'e', kind.audit .. id .. '"}')
end
for list, envelopes in pairs(back) do call('LPUSH', key(list), unpack(envelopes)) end
for _, kind in pairs(kinds) do
  if kind.count > 0 then count_letter(kind.reason, kind.campaign, kind.channel, kind.at, -kind.count) end
  for _, hash in ipairs({'counts', kind.campaign ~= '' and 'campaign:' .. kind.campaign or nil}) do
    if kind.count > 0 then
      count(hash, 'dead', -kind.count)
      count(hash, 'dead:' .. kind.reason, -kind.count)
      count(hash, kind.list ~= '' and 'replayed' or 'purged', kind.count)
    end
  end
end
write_letter_counts()
write_counts(keep_ms)
answer = table.concat(answers)
call('SET', run, ARGV[2] .. ' ' .. answer, 'PX', 600000)
return answer
