-- Entries of the audit for their exporter, oldest first; reading renews its lease. ARGV: exporter, lease in ms, id of the last
-- entry that it has, most entries, most bytes. Answers 0 when the export is another's, else 1, then for each entry its id and
-- the text of its field `e`. One that is none of Herald's comes as a list instead: its size in bytes, then its fields and
-- values. Of any more than ENTRY_MAX bytes there is the beginning.
local ENTRY_MAX, CHUNK, EACH = 4194304, 200, 8 -- bytes; entries looked at in one go; bytes that each text costs besides its own
local export = key('audit:export')
if call('HGET', export, 'owner') ~= ARGV[1] then return {0} end
call('HSET', export, 'until', int(seen_ms() + tonumber(ARGV[2])))
local from, most, room = '(' .. ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local answer = {1}
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
    if room < size and #answer > 1 then return answer end
    room = room - size
    answer[#answer + 1] = found[i][1]
    answer[#answer + 1] = text
  end
  if #found < CHUNK then break end
  most = most - #found
  from = '(' .. found[#found][1]
end
return answer
