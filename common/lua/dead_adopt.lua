-- Takes over dead letters that an older Herald left in the plain list `dead`: the oldest first, a few at a time. The text
-- of each stays as it is. ARGV: most at once. Answers how many it took; as many as asked means: call again.
-- Parts: letters
local most, bytes, taken, now = tonumber(ARGV[1]), 0, 0, wall_ms()
expect_letters()
expect('LLEN', 'dead')
while taken < most do
  local document = bytes < 4194304 and call('RPOP', key('dead'))
  if not document then break end
  local is_json, letter = pcall(cjson.decode, document)
  if not is_json or type(letter) ~= 'table' then letter = {reason = 'unreadable'} end
  local last = type(letter.last) == 'table' and letter.last or {}
  local envelope = type(letter.envelope) == 'table' and letter.envelope or {}
  local at = tonumber(letter.dead_at) or now
  if not (at > 0 and at <= now) then at = now end
  local reason = type(letter.reason) == 'string' and #letter.reason <= 40 and string.match(letter.reason, '^[a-z_]+$')
  keep_letter(document, reason or 'unreadable', name_or_none(letter.campaign, 64), channel_of(envelope),
    name_or_none(last.code, 64), name_or_none(letter.id, 128), int(at))
  bytes = bytes + #document
  taken = taken + 1
end
write_letter_counts()
if bytes >= 4194304 then return most end
return taken
