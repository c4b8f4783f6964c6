-- Takes dead callbacks out: back to be posted (`replay`, with nothing burnt), or away for good (`purge`). ARGV: which,
-- audit_max, audit entry up to its last brace, then ids. Each is taken at most once. Answers how many, and
-- how many stay dead because they name no URL that a replay could post to.
-- Parts: callbacks
local is_replay, now, wall, taken, unreadable = ARGV[1] == 'replay', now_ms(), int(wall_ms()), 0, 0
expect('HLEN', 'callbacks:jobs', 'callbacks:trouble', 'callbacks:counts')
expect('ZCARD', 'callbacks:hosts', 'callbacks:dead')
expect('XLEN', 'audit')
for i = 4, #ARGV do
  local id = ARGV[i]
  local text, job = take_dead(id, is_replay)
  if text and is_replay then
    local host = callback_host(job.url)
    call('HSET', key('callbacks:jobs'), id, (string.gsub(text, '^{"attempts":%d+,"since":%d+', '{"attempts":0,"since":' .. wall)))
    call('ZADD', key('callbacks:of:' .. host), int(now), id)
    look_at_host(host, now)
  elseif text then
    call('HDEL', key('callbacks:jobs'), id)
  end
  if text then taken = taken + 1 elseif text == false then unreadable = unreadable + 1 end
end
if taken > 0 then
  call('HINCRBY', key('callbacks:counts'), is_replay and 'replayed' or 'purged', taken)
  call('XADD', key('audit'), 'MAXLEN', '~', ARGV[2], '*', 'e', ARGV[3] .. ',"count":' .. int(taken) .. '}')
end
return {taken, unreadable}
