-- Asking for statuses.
-- Statuses that are asked for: `poll` has conversations by when to ask next, and the hash `poll:messages` what to ask for
-- there: for each message the instant from which it is asked for and the provider's id, with a blank behind each. The two
-- change together. Messages are asked for at their double age each time, and not beyond age_ms.
local function ask_at(now, since, first_ms, age_ms)
  return math.min(now + math.max(first_ms, now - since), since + age_ms + 1)
end
local function keep_polled(conversation, text, due, age_ms)
  if text == '' then
    call('ZREM', key('poll'), conversation)
    call('HDEL', key('poll:messages'), conversation)
    return
  end
  call('ZADD', key('poll'), int(due), conversation)
  call('HSET', key('poll:messages'), conversation, text)
  for _, name in ipairs({'poll', 'poll:messages'}) do call('PEXPIRE', key(name), int(2 * age_ms)) end -- nobody asks
end
