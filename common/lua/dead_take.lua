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
local answers, taken, back, died = {}, {}, {}, {}
local letters, messages, stream = key('dead:letters'), key('message:'), key('audit')
-- Everything that can be is gathered, and written once for the whole step.
local function take(i)
  local reason, campaign, id, list = ARGV[i + 1], ARGV[i + 2], ARGV[i + 5], ARGV[i + 6]
  local message = messages .. id
  local was = id ~= '' and redis.pcall('HGET', message, 'state')
  if list ~= '' and was == 'sent' then return call('HEXISTS', letters, ARGV[i]) == 1 and 's' or 'g' end
  if call('HDEL', letters, ARGV[i]) == 0 then return 'g' end
  taken[#taken + 1] = ARGV[i]
  count_letter(reason, campaign, ARGV[i + 3], tonumber(ARGV[i + 4]), -1)
  died[campaign] = died[campaign] or {}
  died[campaign][reason] = (died[campaign][reason] or 0) + 1
  if list ~= '' then
    back[list] = back[list] or {}
    table.insert(back[list], ARGV[i + 7])
  end
  if id ~= '' and was ~= 'sent' then
    redis.pcall('HSET', message, 'state', list ~= '' and 'accepted' or 'purged', 'at', now, 'reason', '', 'letter', '')
    call('PEXPIRE', message, keep_ms)
  end
  call('XADD', stream, 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 8])
  return 'y'
end
for i = 5, #ARGV, 9 do answers[#answers + 1] = take(i) end
if #taken > 0 then call('XDEL', key('dead:index'), unpack(taken)) end -- one call: each looks for the new first entry
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
