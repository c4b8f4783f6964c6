-- Takes dead letters out: back on a list (a replay), or away for good (a purge). Each is taken at most once, by whoever is
-- first. ARGV: run (chance, one for each run of a program), step of that run, keep_ms, audit_max, then for each: ticket,
-- reason, campaign, channel, when it died, id, list (or '' to purge), envelope, audit entry.
-- Answers a text with one letter for each: y done; g gone, somebody else took it; s its message was sent after all (a
-- late answer said so): it stays. A step that is asked for again, because its answer was lost, answers the same again.
-- Numbers stay text here: Redis would print each of them anew for every call.
local keep_ms, audit_max, now = ARGV[3], ARGV[4], string.format('%.0f', now_ms())
local run = key('dead:run:' .. ARGV[1])
expect('GET', 'dead:run:' .. ARGV[1])
expect_letters()
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('HLEN', 'counts')
expect('XLEN', 'audit')
local step, answer = string.match(call('GET', run) or '', '^(%d+) (%a*)$')
if step == ARGV[2] then return answer end
local answers, wanted, tickets, back, died = {}, {}, {}, {}, {}
local stream = key('audit')
for i = 5, #ARGV, 9 do
  local id = ARGV[i + 5]
  local was = id ~= '' and redis.pcall('HGET', key('message:' .. id), 'state')
  if ARGV[i + 6] ~= '' and was == 'sent' then
    answers[#answers + 1] = call('HEXISTS', key('dead:letters'), ARGV[i]) == 1 and 's' or 'g'
  else
    answers[#answers + 1] = 'g'
    wanted[#wanted + 1] = {at = i, answer = #answers, was = type(was) == 'string' and was}
    tickets[#tickets + 1] = ARGV[i]
  end
end
-- All at once, as it nearly always is. When some are gone, the index, which still has the others, tells which.
local function take_all()
  local taken = {}
  if #tickets == 0 then return taken end
  if call('HDEL', key('dead:letters'), unpack(tickets)) == #tickets then
    call('XDEL', key('dead:index'), unpack(tickets))
    return wanted
  end
  for w, ticket in ipairs(tickets) do
    if call('XDEL', key('dead:index'), ticket) == 1 then taken[#taken + 1] = wanted[w] end
  end
  return taken
end
-- What was forgotten of a message (--keep) stays so until it ends again.
local function note_state(item, id, list)
  if not item.was or item.was == 'sent' then return end
  redis.pcall('HSET', key('message:' .. id), 'state', list ~= '' and 'accepted' or 'purged', 'at', now, 'reason', '', 'letter', '')
  call('PEXPIRE', key('message:' .. id), keep_ms)
end
for _, item in ipairs(take_all()) do
  local i = item.at
  local reason, campaign, list = ARGV[i + 1], ARGV[i + 2], ARGV[i + 6]
  answers[item.answer] = 'y'
  count_letter(reason, campaign, ARGV[i + 3], tonumber(ARGV[i + 4]), -1)
  died[campaign] = died[campaign] or {}
  died[campaign][reason] = (died[campaign][reason] or 0) + 1
  if list ~= '' then
    back[list] = back[list] or {}
    table.insert(back[list], ARGV[i + 7])
  end
  note_state(item, ARGV[i + 5], list)
  call('XADD', stream, 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 8])
end
for list, envelopes in pairs(back) do call('LPUSH', key(list), unpack(envelopes)) end
for campaign, reasons in pairs(died) do
  for reason, many in pairs(reasons) do
    for _, hash in ipairs({'counts', campaign ~= '' and 'campaign:' .. campaign or nil}) do
      count(hash, 'dead', -many)
      count(hash, 'dead:' .. reason, -many)
      count(hash, ARGV[11] ~= '' and 'replayed' or 'purged', many)
    end
  end
end
write_letter_counts()
write_counts(keep_ms)
answer = table.concat(answers)
call('SET', run, ARGV[2] .. ' ' .. answer, 'PX', 600000)
return answer
