-- Takes dead letters out: back on a list (a replay), or away for good (a purge). Each is taken at most once, by whoever is
-- first. ARGV: run (chance, one for each run of a program), step of that run, keep_ms, audit_max, then for each: ticket,
-- reason, campaign, channel, when it died, id, list (or '' to purge), envelope, audit entry.
-- Answers a text with one letter for each: y done; g gone, somebody else took it; s its message was sent after all (a
-- late answer said so): it stays. A step that is asked for again, because its answer was lost, answers the same again.
local keep_ms, audit_max, now = tonumber(ARGV[3]), tonumber(ARGV[4]), now_ms()
local run = key('dead:run:' .. ARGV[1])
expect('GET', 'dead:run:' .. ARGV[1])
expect_letters()
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('HLEN', 'counts')
expect('XLEN', 'audit')
local step, answer = string.match(call('GET', run) or '', '^(%d+) (%a*)$')
if step == ARGV[2] then return answer end
local answers = {}
local function take(i)
  local ticket, reason, campaign, id, list = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 5], ARGV[i + 6]
  local message, is_replay = key('message:' .. id), list ~= ''
  if is_replay and redis.pcall('HGET', message, 'state') == 'sent' then
    return call('HEXISTS', key('dead:letters'), ticket) == 1 and 's' or 'g'
  end
  if call('HDEL', key('dead:letters'), ticket) == 0 then return 'g' end
  call('XDEL', key('dead:index'), ticket)
  count_letter(reason, campaign, ARGV[i + 3], tonumber(ARGV[i + 4]), -1)
  if is_replay then call('LPUSH', key(list), ARGV[i + 7]) end
  for _, hash in ipairs({'counts', campaign ~= '' and 'campaign:' .. campaign or nil}) do
    count(hash, 'dead', -1)
    count(hash, 'dead:' .. reason, -1)
    count(hash, is_replay and 'replayed' or 'purged', 1)
  end
  if id ~= '' and redis.pcall('HGET', message, 'state') ~= 'sent' then
    redis.pcall('HSET', message, 'state', is_replay and 'accepted' or 'purged', 'at', now)
    redis.pcall('HDEL', message, 'reason', 'letter')
    call('PEXPIRE', message, keep_ms)
  end
  call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 8])
  return 'y'
end
for i = 5, #ARGV, 9 do answers[#answers + 1] = take(i) end
write_letter_counts()
write_counts(keep_ms)
answer = table.concat(answers)
call('SET', run, ARGV[2] .. ' ' .. answer, 'PX', 600000)
return answer
