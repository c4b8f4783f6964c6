-- Puts messages on their lists for a client that is told what became of each, and told the same again when it asks again.
-- ARGV: keep_ms, dedup_ms, campaign_memory_ms, audit_max, most that may wait (0: any), then for each message: key of 14 bytes
-- or '', print of its content, list, due in ms or 0, envelope, id, campaign or '', who hands it in (for the audit) or '', person (as in the
-- suppression set) or ''.
-- Answers a text for each: `t` taken; `o` and the id, taken once before with the same print (no id: by another way than
-- this); `k` the key was taken with another print; `s` the person has opted out, it is not taken; `f` too many wait, this
-- one and those after it are not taken. Of those whose key is known, one of the others is said: they need no room.
-- Parts: keys
local keep_ms, dedup_ms, memory_ms, audit_max, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local PRINT = 8 -- bytes of it, in front of the id that is remembered for a key
local now = wall_ms()
local now_text = int(now)
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('ZCARD', 'delayed')
expect('HLEN', 'counts')
expect('XLEN', 'audit')
local looked = {}
for i = 12, #ARGV, 9 do
  local campaign = ARGV[i]
  if not looked[campaign] then
    if campaign ~= '' then expect('HLEN', 'campaign:' .. campaign) end
    -- A set that is none must not be met in the middle: who came before it would be remembered and on no list.
    if #ARGV > 14 then for _, set in ipairs((memory(campaign, dedup_ms, memory_ms))) do call('SCARD', set) end end
    looked[campaign] = true
  end
end
local waiting = call('LLEN', key('ready:high')) + call('LLEN', key('ready')) + call('LLEN', key('ready:low')) + call('ZCARD', key('delayed'))
local answers, is_full = {}, false
local function first_answer(sets, member)
  for _, set in ipairs(sets) do
    local known = redis.pcall('HGET', answers_of(set), member)
    if type(known) == 'string' then return known end
  end
end
local function is_in_any(sets, member)
  for _, set in ipairs(sets) do
    if call('SISMEMBER', set, member) == 1 then return true end
  end
end
-- `no`: the answer for one that is new and may not be taken, else nil.
local function old_answer(member, print, campaign, id, no)
  if member == '' then return no end
  local sets, sets_ms = memory(campaign, dedup_ms, memory_ms)
  if no and not is_in_any(sets, member) then return no end
  if remember(sets, member) then
    call('PEXPIRE', sets[1], sets_ms)
    redis.pcall('HSET', answers_of(sets[1]), member, print .. id)
    redis.pcall('PEXPIRE', answers_of(sets[1]), sets_ms)
    return nil
  end
  local known = first_answer(sets, member)
  if not known then return 'o' end
  return string.sub(known, 1, PRINT) == print and 'o' .. string.sub(known, PRINT + 1) or 'k'
end
-- How far it is can be asked for from now on. An id that was used before keeps what is known of it.
local function track(id, is_chosen, due, campaign)
  local message = key('message:' .. id)
  if is_chosen and call('EXISTS', message) == 1 then return end
  if campaign ~= '' then redis.pcall('HSET', message, 'state', 'accepted', 'accepted_at', now_text, 'campaign', campaign)
  else redis.pcall('HSET', message, 'state', 'accepted', 'accepted_at', now_text) end
  call('PEXPIRE', message, due > now and int(due - now + keep_ms) or ARGV[1])
end
local pushed = {}
local function put(list, due, envelope, campaign)
  if due > now then
    call('ZADD', key('delayed'), due, envelope)
  else
    pushed[list] = pushed[list] or {}
    table.insert(pushed[list], envelope)
  end
  count('counts', 'accepted', 1)
  if campaign ~= '' then
    count('campaign:' .. campaign, 'accepted', 1)
    call('HSETNX', key('campaign:' .. campaign), 'first_at', now_text)
  end
end
local handed = {} -- what whom; neither names nor ids have characters that JSON escapes
local is_out = opted_out(14, 9)
for i = 6, #ARGV, 9 do
  local member, print, list, due, envelope, id, campaign, actor = unpack(ARGV, i, i + 7)
  is_full = is_full or most > 0 and waiting >= most
  local no = is_out[#answers + 1] == 1 and 's' or is_full and 'f' or nil
  local answer = old_answer(member, print, campaign, id, no)
  if not answer then
    due = tonumber(due)
    put(list, due, envelope, campaign)
    track(id, member ~= '', due, campaign)
    waiting = waiting + 1
    if actor ~= '' then
      handed[actor] = handed[actor] or {}
      table.insert(handed[actor], id)
    end
  elseif answer ~= 'f' and answer ~= 's' then
    count('counts', 'duplicates', 1)
  end
  answers[#answers + 1] = answer or 't'
end
for list, envelopes in pairs(pushed) do call('LPUSH', key(list), unpack(envelopes)) end
for actor, ids in pairs(handed) do
  call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', '{"at":' .. now_text .. ',"what":"enqueue","actor":"' .. actor ..
    '","ids":["' .. table.concat(ids, '","') .. '"]}')
end
write_counts(keep_ms)
return answers
