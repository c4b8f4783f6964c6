-- A dead letter of unknown outcome turns out to have been sent: it leaves the letters, its message is sent, under the ids
-- that Genesys has for it. ARGV: ticket, keep_ms, audit_max, report_ms, id, reason, campaign, channel, when it died, template,
-- when it was sent, provider's id or '', conversation's id or '', person, state that Genesys tells or '', when in ms or 0,
-- audit entry without an id. Answers y settled (also when it was before, by the same ids); g gone, somebody took it; c the
-- provider's id is another message's.
-- Parts: callbacks, report, track, receipts, letters
local ticket, keep_ms, audit_max, report_ms, id, reason, campaign, channel = unpack(ARGV, 1, 8)
local died_at, template, sent_at, provider, conversation, person, state, state_at, entry = unpack(ARGV, 9, 17)
local now, message = wall_ms(), key('message:' .. id)
expect_letters()
expect('HLEN', 'counts', 'message:' .. id)
expect('XLEN', 'audit')
local owner = provider ~= '' and owner_of(provider, track_unusual().id_bytes(provider) or '', keep_ms)
local was = call('HMGET', message, 'state', 'provider_id', 'conversation_id')
if owner and owner.id ~= id then return 'c' end
local document = call('HGET', key('dead:letters'), ticket)
if call('HDEL', key('dead:letters'), ticket) == 0 then
  return was[1] == 'sent' and was[2] == provider and was[3] == conversation and 'y' or 'g'
end
call('XDEL', key('dead:index'), ticket)
call('HDEL', key('dead:sent'), ticket)
count_letter(reason, campaign, channel, tonumber(died_at), -1)
for _, hash in ipairs({'counts', campaign ~= '' and 'campaign:' .. campaign or nil}) do
  count(hash, 'dead', -1)
  count(hash, 'dead:' .. reason, -1)
  count(hash, 'sent', 1)
  count(hash, 'settled', 1)
end
call('HSET', message, 'state', 'sent', 'at', sent_at, 'campaign', campaign, 'provider_id', provider, 'conversation_id', conversation,
  'reason', '', 'letter', '', 'channel', channel, 'template', template)
call('PEXPIRE', message, keep_ms)
-- Whoever was told that it had died is told what became of it.
local is_json, letter = pcall(cjson.decode, document)
local to = whom(is_json and type(letter) == 'table' and letter.envelope)
if to ~= '' then
  call('HSET', message, 'callback', to)
  tell(to, 'message.sent', id, sent_at, {'campaign', campaign, 'channel', channel, 'template', template, 'state', 'sent',
    'provider_id', provider, 'conversation_id', conversation})
end
tally(report_row(tonumber(sent_at), campaign, channel, template), 's', 1)
report_end(tonumber(sent_at), id)
owner = {id = id, campaign = campaign}
if provider ~= '' then
  call('SET', key('link:' .. provider), id .. '\n' .. campaign .. '\n' .. person, 'PX', keep_ms)
  apply_early(provider, owner, keep_ms, now)
end
if state ~= '' then apply(owner, state, tonumber(state_at), '', keep_ms, now) end
call('XADD', key('audit'), 'MAXLEN', '~', audit_max, '*', 'e', string.sub(entry, 1, -2) .. ',"id":' .. cjson.encode(id) ..
  (provider ~= '' and ',"provider_id":' .. cjson.encode(provider) or '') ..
  (conversation ~= '' and ',"conversation_id":' .. cjson.encode(conversation) or '') .. '}')
write_letter_counts()
write_report(keep_ms, report_ms)
write_counts(keep_ms)
return 'y'
