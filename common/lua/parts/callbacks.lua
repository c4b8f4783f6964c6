-- Callbacks: who is told what became of a message. What is to be posted is in `callbacks:jobs` by its id, from the step
-- that it tells of until it was taken or settled. `callbacks:of:<host>` has the ids of one host by when they are due (of
-- one under way: when its lease ends), `callbacks:hosts` when to look at each host, so that no host waits for another.
-- `callbacks:trouble` has the hosts that fail: how often in a row, and until when nobody tries. `callbacks:dead` are those
-- that were given up, all with one score, so that they are in the order of their ids. Times are the org's own.
local CALLBACKS_MAX, CALLBACK_URL_MAX = 1000000, 2048
local CALLBACK_TROUBLE = 5 -- failures of a host in a row from which on it is tried with one at a time, after a pause
local callbacks -- what is looked up once, when the first one is met
-- Where the outcomes of messages go that name no URL themselves; '' when there is none. Workers write it there.
local function callback_url(message)
  if type(message) == 'table' and type(message.callback_url) == 'string' then
    return #message.callback_url <= CALLBACK_URL_MAX and message.callback_url or ''
  end
  local url = redis.pcall('HGET', key('callbacks:settings'), 'url')
  return type(url) == 'string' and url or ''
end
-- A name for all that goes to one place. Whether it may be called is for the worker to say.
local function callback_host(url)
  local host = string.lower(string.match(string.match(url, '^%a+://([^/?#]*)') or '', '[^@]*$'))
  return #host <= 262 and string.match(host, '^[%w.:%[%]_-]+$') or '?'
end
local function trouble_of(host)
  local failures, until_ms = string.match(call('HGET', key('callbacks:trouble'), host) or '', '^(%d+) (%d+)$')
  return tonumber(failures) or 0, tonumber(until_ms) or 0
end
-- When to look at a host next: its first is due, and no pause is on. One that has none left is forgotten.
local function look_at_host(host, now)
  local first = call('ZRANGE', key('callbacks:of:' .. host), 0, 0, 'WITHSCORES')
  if not first[2] then
    call('ZREM', key('callbacks:hosts'), host)
    call('HDEL', key('callbacks:trouble'), host)
    return
  end
  local _, until_ms = trouble_of(host)
  call('ZADD', key('callbacks:hosts'), int(math.max(tonumber(first[2]), until_ms, now)), host)
end
-- Out of the dead ones: its text and what that says; nothing when somebody was faster.
local function take_dead(id)
  if call('ZREM', key('callbacks:dead'), id) == 0 then return nil end
  local text = call('HGET', key('callbacks:jobs'), id) or ''
  local is_json, job = pcall(cjson.decode, text)
  if not is_json or type(job) ~= 'table' then job = {} end
  local failure = type(job.failure) == 'table' and job.failure or {}
  local field = 'dead:' .. (type(failure.reason) == 'string' and failure.reason or '')
  if call('HINCRBY', key('callbacks:counts'), field, -1) <= 0 then call('HDEL', key('callbacks:counts'), field) end
  return text, job
end
-- Queues one: nothing in here may stop the step that it is part of, so what cannot be kept is counted.
local function tell(url, what, id, at, facts)
  if url == '' then return end
  if not callbacks then
    local is_broken = false
    for name, command in pairs({jobs = 'HLEN', trouble = 'HLEN', counts = 'HLEN', settings = 'HLEN', hosts = 'ZCARD', dead = 'ZCARD'}) do
      local size = redis.pcall(command, key('callbacks:' .. name))
      if type(size) == 'table' then is_broken = true end
    end
    callbacks = {is_broken = is_broken, now = int(now_ms()), wall = int(wall_ms())}
    if not is_broken then
      callbacks.room = (tonumber(call('HGET', key('callbacks:settings'), 'max') or nil) or CALLBACKS_MAX) -
        call('HLEN', key('callbacks:jobs')) + call('ZCARD', key('callbacks:dead'))
    end
  end
  if callbacks.is_broken then
    count('counts', 'callbacks_lost', 1)
    return
  end
  if callbacks.room <= 0 then
    call('HINCRBY', key('callbacks:counts'), 'dropped', 1)
    return
  end
  local host = callback_host(url)
  local own = key('callbacks:of:' .. host)
  if type(redis.pcall('ZCARD', own)) == 'table' then
    count('counts', 'callbacks_lost', 1)
    return
  end
  local message, sequence = key('message:' .. id), 1
  if redis.pcall('HEXISTS', message, 'state') == 1 then sequence = redis.pcall('HINCRBY', message, 'told', 1) end
  if type(sequence) ~= 'number' then sequence = 1 end
  local parts = {'{"attempts":0,"since":', callbacks.wall, ',"url":', cjson.encode(url), ',"type":"', what, '","at":', at,
    ',"data":{"id":', cjson.encode(id), ',"sequence":', int(sequence)}
  for i = 1, #facts, 2 do
    if facts[i + 1] and facts[i + 1] ~= '' then
      parts[#parts + 1] = ',"' .. facts[i] .. '":' .. (type(facts[i + 1]) == 'number' and int(facts[i + 1]) or cjson.encode(facts[i + 1]))
    end
  end
  parts[#parts + 1] = '}}'
  local job = 'cb_' .. callbacks.wall .. '_' .. int(call('HINCRBY', key('callbacks:counts'), 'queued', 1))
  call('HSET', key('callbacks:jobs'), job, table.concat(parts))
  call('ZADD', own, callbacks.now, job)
  local _, until_ms = trouble_of(host)
  if until_ms <= tonumber(callbacks.now) then call('ZADD', key('callbacks:hosts'), 'LT', callbacks.now, host)
  else call('ZADD', key('callbacks:hosts'), 'NX', int(until_ms), host) end
  callbacks.room = callbacks.room - 1
end
-- Of a message as it was in flight, with the letter of its list in front.
local function tell_cancelled(held, id, campaign)
  local is_json, message = pcall(cjson.decode, string.sub(held, 2))
  tell(callback_url(is_json and message), 'message.cancelled', id, int(wall_ms()), {'campaign', campaign, 'state', 'cancelled'})
end
