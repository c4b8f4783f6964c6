-- Grants of the org's window for questions: requests that are no messages. The same window as the messages', and after
-- them. While messages wait, of ten grants one is for questions; a claim keeps that one free of messages when the window
-- is full. While none waits, all but a tenth, which is left for messages that come.
local SHARE = 10 -- one grant of so many
-- The share of a small window is one grant of several windows' length.
local function share_span(limit, window_ms) return window_ms * math.max(1, math.ceil(SHARE / limit)) end
-- How many of `most` there are; when none, how long to wait.
local function share_of(most, limit, window_ms, margin_ms, now)
  local free = limit - used(key('window'), window_ms, now)
  local span_ms, share = share_span(limit, window_ms), math.max(1, math.floor(limit / SHARE))
  share = share - used(key('poll:window'), span_ms, now)
  local is_waited_for = call('LLEN', key('ready:high')) + call('LLEN', key('ready')) + call('LLEN', key('ready:low')) +
    call('ZCOUNT', key('delayed'), '-inf', wall_ms()) > 0
  local may = is_waited_for and math.min(free, share) or free - math.floor(limit / SHARE)
  if may < most and is_waited_for and share > 0 then
    local wait = until_free(key('window'), window_ms, now, margin_ms)
    call('SET', key('poll:claim'), int(math.min(most, share) - math.max(0, may)), 'PX', int(wait + 1000))
  else
    call('DEL', key('poll:claim'))
  end
  if may > 0 then return math.min(most, may), 0 end
  local full = is_waited_for and share <= 0 and key('poll:window') or key('window')
  return 0, until_free(full, full == key('poll:window') and span_ms or window_ms, now, margin_ms)
end
local function take_share(member, limit, window_ms, margin_ms, now)
  for _, name in ipairs({'window', 'poll:window'}) do call('ZADD', key(name), int(now + margin_ms), member) end
  call('PEXPIRE', key('window'), WINDOW_KEPT_MS)
  call('PEXPIRE', key('poll:window'), share_span(limit, window_ms) + MARGIN_WIDEST_MS + 1000)
end
