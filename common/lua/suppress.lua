-- Puts people on the suppression set, or takes them off it. ARGV: `add` or `remove`, audit_max, then for each: the person
-- (`sms:+13175550199`), audit entry. Answers one character for each: 1 changed, 0 it was so before; only a change is audited.
local command, audit_max = ARGV[1] == 'add' and 'SADD' or 'SREM', ARGV[2]
expect('SCARD', 'suppressed')
expect('XLEN', 'audit')
local answers = {}
for i = 3, #ARGV, 2 do
  local changed = call(command, key('suppressed'), ARGV[i])
  if changed == 1 then call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 1]) end
  answers[#answers + 1] = changed
end
return table.concat(answers)
