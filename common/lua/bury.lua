-- Makes messages dead letters. ARGV: worker, keep_ms, audit_max, report_ms, then for each: ticket, id, campaign, is new, reason, dead
-- letter, audit entry, 1 if its grant was not used, attempts, error code, and about it: channel, template, segments, since
-- when it could be sent, whom its outcome is told to. One whose ticket is gone was taken from us or buried before: nothing to do.
-- Parts: window, letters, callbacks, report
local inflight, keep_ms, audit_max = key('inflight:' .. ARGV[1]), ARGV[2], ARGV[3]
local at, audit = wall_ms(), key('audit')
local now = int(at)
expect_letters()
expect('HLEN', 'counts')
expect('XLEN', 'audit')
for i = 5, #ARGV, 15 do
  if call('HDEL', inflight, ARGV[i]) == 1 then
    local id, campaign, reason = ARGV[i + 1], ARGV[i + 2], ARGV[i + 4]
    local message = key('message:' .. id)
    local letter = keep_letter(ARGV[i + 5], reason, campaign, ARGV[i + 10], ARGV[i + 9], id, now)
    redis.pcall('HSET', message, 'state', 'dead', 'at', now, 'reason', reason, 'campaign', campaign, 'attempts',
      ARGV[i + 8], 'letter', letter, 'channel', ARGV[i + 10], 'template', ARGV[i + 11], 'since', ARGV[i + 13])
    call('PEXPIRE', message, keep_ms)
    settle(campaign, ARGV[i + 3], 'dead')
    tally(report_row(at, campaign, ARGV[i + 10], ARGV[i + 11]), 'x' .. reason, 1)
    report_end(at, id)
    count('counts', 'dead:' .. reason, 1)
    if campaign ~= '' then count('campaign:' .. campaign, 'dead:' .. reason, 1) end
    call('XADD', audit, 'MAXLEN', '~', audit_max, '*', 'e', ARGV[i + 6])
    give_back(ARGV[i + 7], ARGV[i])
    tell(ARGV[i + 14], 'message.dead', id, now, {'campaign', campaign, 'channel', ARGV[i + 10], 'template', ARGV[i + 11],
      'state', 'dead', 'reason', reason, 'code', ARGV[i + 9], 'attempts', tonumber(ARGV[i + 8])})
  end
end
write_letter_counts()
write_report(keep_ms, tonumber(ARGV[4]))
write_counts(keep_ms)
return 1
