-- Puts messages on their lists, each one only if its key was not seen before and its person has not opted out.
-- ARGV: keep_ms, dedup_ms, campaign_memory_ms, campaign or '', audit_max, audit entry without a count or ''; then of all messages one after
-- the other, as one text each: keys of 14 bytes; letters of lists; due times in ms, each with a blank behind it ('': all are due); people (as
-- in the suppression set) or '', each with its length in front, in 2 bytes, the higher first; then the envelopes. Short things go together
-- because an argument costs Redis and Lua some 1,000 instructions; envelopes do not, because Redis' Lua hashes each byte of each text
-- that it makes, and would do so once for all of them and once for each.
-- Answers one character a message: 1 accepted, 0 seen before, s opted out.
-- Parts: keys
local keep_ms, dedup_ms, memory_ms, campaign = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local letters, dues = ARGV[8], ARGV[9]
local total = #letters
if total == 0 then return '' end
local now = wall_ms()
expect('LLEN', 'ready:high', 'ready', 'ready:low')
expect('ZCARD', 'delayed')
expect('HLEN', 'counts')
expect('XLEN', 'audit')
if campaign ~= '' then expect('HLEN', 'campaign:' .. campaign) end
local function list_of(format, packed)
  local list = {struct.unpack('>' .. string.rep(format, total), packed)}
  list[total + 1] = nil -- the place behind the last
  return list
end
local is_out = {}
if call('SCARD', key('suppressed')) > 0 then
  is_out = call('SMISMEMBER', key('suppressed'), unpack(list_of('I2c0', ARGV[10])))
end
local FIRST = 10 -- before the first envelope
local members = list_of('c14', ARGV[7])
local sets, sets_ms = memory(campaign, dedup_ms, memory_ms)
-- Asked and written all at once: a command of a script costs Redis several times what it does.
local seen = {}
for _, set in ipairs(sets) do
  local is_there = call('SMISMEMBER', set, unpack(members))
  for n = 1, total do
    if is_there[n] == 1 then seen[members[n]] = true end
  end
end
local accepted, duplicates, answers = 0, 0, nil
local function put_each()
  local each, fresh, pushed, put_off, due_of = {}, {}, {}, {}, string.gmatch(dues, '%d+')
  for n, member in ipairs(members) do
    local due = due_of()
    if is_out[n] == 1 then
      each[n] = 's'
    elseif seen[member] then
      each[n] = '0'
      duplicates = duplicates + 1
    else
      each[n] = '1'
      seen[member] = true
      fresh[#fresh + 1] = member
      if due and tonumber(due) > now then
        put_off[#put_off + 1] = due
        put_off[#put_off + 1] = ARGV[FIRST + n]
      else
        local letter = string.sub(letters, n, n)
        pushed[letter] = pushed[letter] or {}
        table.insert(pushed[letter], ARGV[FIRST + n])
      end
    end
  end
  accepted = #fresh
  if accepted > 0 then call('SADD', sets[1], unpack(fresh)) end
  if #put_off > 0 then call('ZADD', key('delayed'), unpack(put_off)) end
  for letter, those in pairs(pushed) do call('LPUSH', key(lists[letter]), unpack(those)) end
  answers = table.concat(each)
end
-- Mostly all are new, due, and of one list.
local first = string.sub(letters, 1, 1)
local are_alike = dues == '' and letters == string.rep(first, total)
if are_alike and #is_out == 0 and not next(seen) and call('SADD', sets[1], unpack(members)) == total then
  call('LPUSH', key(lists[first]), unpack(ARGV, FIRST + 1, FIRST + total))
  accepted, answers = total, string.rep('1', total)
else
  put_each()
end
call('PEXPIRE', sets[1], sets_ms)
if campaign ~= '' then redis.pcall('PEXPIRE', answers_of(sets[1]), sets_ms) end
if accepted > 0 then count('counts', 'accepted', accepted) end
if accepted > 0 and ARGV[6] ~= '' then
  call('XADD', key('audit'), 'MAXLEN', '~', ARGV[5], '*', 'e', string.sub(ARGV[6], 1, -2) .. ',"count":' .. int(accepted) .. '}')
end
if duplicates > 0 then count('counts', 'duplicates', duplicates) end
if campaign ~= '' then
  if accepted > 0 then count('campaign:' .. campaign, 'accepted', accepted) end
  call('HSETNX', key('campaign:' .. campaign), 'first_at', now)
end
write_counts(keep_ms)
return answers
