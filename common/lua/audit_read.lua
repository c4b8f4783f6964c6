-- Entries of the audit for their exporter, oldest first; reading renews its lease. ARGV: exporter, lease in ms, id of the last
-- entry that it has, most entries, most bytes, number of its last line. Answers 0 when the export is another's, else 1, how many
-- entries were cut off before they could be exported or -1, then for each entry its id and the text of its field `e`. One that is none of Herald's comes as a list instead: its size in bytes, then its fields and
-- values. Of any more than ENTRY_MAX bytes there is the beginning.
local ENTRY_MAX, CHUNK, EACH = 4194304, 200, 8 -- bytes; entries looked at in one go; bytes that each text costs besides its own
local export = key('audit:export')
if call('HGET', export, 'owner') ~= ARGV[1] then return {0} end
call('HSET', export, 'until', int(seen_ms() + tonumber(ARGV[2])))
local from, most, room = '(' .. ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
-- Everything that is gone from the stream was read or lost. As long as something is there that was read, nothing behind it can
-- have been cut off. Redis tells how many there ever were since version 7.
local function lost()
  if call('EXISTS', key('audit')) == 0 or #call('XRANGE', key('audit'), '-', ARGV[3], 'COUNT', 1) > 0 then return -1 end
  local info, added = call('XINFO', 'STREAM', key('audit')), nil
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then added = info[i + 1] end
  end
  if not added then return -1 end
  local base = call('HMGET', export, 'base', 'base_lost')
  local exported = tonumber(ARGV[6]) - (tonumber(base[1]) or 0)
  return math.max(-1, (tonumber(base[2]) or 0) + added - call('XLEN', key('audit')) - exported)
end
local answer = {1, lost()}
local function strange(fields)
  local all, size, left = {0}, 0, ENTRY_MAX
  for i = 1, #fields do
    size = size + #fields[i]
    if left > 0 then all[#all + 1] = string.sub(fields[i], 1, left) end
    left = left - #fields[i] - EACH
  end
  all[1] = size
  return all, ENTRY_MAX - math.max(0, left)
end
while most > 0 and room > 0 do
  local found = call('XRANGE', key('audit'), from, '+', 'COUNT', math.min(most, CHUNK))
  for i = 1, #found do
    local fields = found[i][2]
    local text, size = fields[2], 0
    if #fields == 2 and fields[1] == 'e' and #text <= ENTRY_MAX then size = #text
    else text, size = strange(fields) end
    if room < size and #answer > 2 then return answer end
    room = room - size
    answer[#answer + 1] = found[i][1]
    answer[#answer + 1] = text
  end
  if #found < CHUNK then break end
  most = most - #found
  from = '(' .. found[#found][1]
end
return answer
