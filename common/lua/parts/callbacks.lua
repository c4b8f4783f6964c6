-- Callbacks: who is told what became of a message. What is to be posted is in `callbacks:jobs` by its id, from the step
-- that it tells of until it was taken or settled. `callbacks:of:<host>` has the ids of one host by when they are due (of
-- one under way: when its lease ends), `callbacks:hosts` when to look at each host, so that no host waits for another.
-- `callbacks:trouble` has the hosts that fail: how often in a row, and until when nobody tries. `callbacks:dead` are those
-- that were given up, all with one score, so that they are in the order of their ids. Times are the org's own.
local CALLBACKS_MAX, CALLBACK_URL_MAX = 1000000, 2048
local FACT_MAX = 512 -- bytes of what is told, such as the name of a template; longer ones are left out
local CALLBACK_TROUBLE = 5 -- failures of a host in a row from which on it is tried with one at a time, after a pause
local callbacks -- what is looked up once, when the first one is met
-- Whom to tell of a message: its URL, else that of the settings (workers write it there), and in a line of its own the trace
-- that it belongs to; '' when there is nobody.
local function whom(message)
  local url, trace = nil, nil
  if type(message) == 'table' then url, trace = message.callback_url, message.traceparent end
  if type(url) ~= 'string' or url == '' then url = redis.pcall('HGET', key('callbacks:settings'), 'url') end
  if type(url) ~= 'string' or url == '' or #url > CALLBACK_URL_MAX then return '' end
  trace = type(trace) == 'string' and string.match(trace, '^00%-%x+%-%x+%-%x%x$')
  return trace and #trace == 55 and url .. '\n' .. trace or url
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
-- The key of a host's queue, which somebody looks at from now on, unless the host is in trouble; nothing if it is none.
local function queue_for(host)
  local own = key('callbacks:of:' .. host)
  if type(redis.pcall('ZCARD', own)) == 'table' then return nil end
  local _, until_ms = trouble_of(host)
  if until_ms <= tonumber(callbacks.now) then call('ZADD', key('callbacks:hosts'), 'LT', callbacks.now, host)
  else call('ZADD', key('callbacks:hosts'), 'NX', int(until_ms), host) end
  return own
end
-- Queues one: nothing in here may stop the step that it is part of, so what cannot be kept is counted.
local function tell(to, what, id, at, facts)
  if to == '' then return end
  if not callbacks then
    local is_broken = false
    for name, command in pairs({jobs = 'HLEN', trouble = 'HLEN', counts = 'HLEN', settings = 'HLEN', hosts = 'ZCARD', dead = 'ZCARD'}) do
      local size = redis.pcall(command, key('callbacks:' .. name))
      if type(size) == 'table' then is_broken = true end
    end
    callbacks = {is_broken = is_broken, now = int(now_ms()), wall = int(wall_ms()), queues = {}}
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
  local url, trace = string.match(to, '^(.*)\n(00%-%x+%-%x+%-%x+)$')
  url = url or to
  local host = callback_host(url)
  local own = callbacks.queues[host] or queue_for(host)
  if not own then
    count('counts', 'callbacks_lost', 1)
    return
  end
  callbacks.queues[host] = own
  local message, sequence = key('message:' .. id), 1
  if redis.pcall('HEXISTS', message, 'state') == 1 then sequence = redis.pcall('HINCRBY', message, 'told', 1) end
  if type(sequence) ~= 'number' then sequence = 1 end
  local parts = {'{"attempts":0,"since":', callbacks.wall, ',"url":', cjson.encode(url),
    trace and ',"trace":"' .. trace .. '"' or '', ',"type":"', what, '","at":', at,
    ',"data":{"id":', cjson.encode(id), ',"sequence":', int(sequence)}
  for i = 1, #facts, 2 do
    local fact = facts[i + 1]
    if type(fact) == 'number' then parts[#parts + 1] = ',"' .. facts[i] .. '":' .. int(fact)
    elseif fact and fact ~= '' and #fact <= FACT_MAX then parts[#parts + 1] = ',"' .. facts[i] .. '":' .. cjson.encode(fact) end
  end
  parts[#parts + 1] = '}}'
  local job = 'cb_' .. callbacks.wall .. '_' .. int(call('HINCRBY', key('callbacks:counts'), 'queued', 1))
  call('HSET', key('callbacks:jobs'), job, table.concat(parts))
  call('ZADD', own, callbacks.now, job)
  callbacks.room = callbacks.room - 1
end
-- Of a message as it was in flight, with the letter of its list in front.
local function tell_cancelled(held, id, campaign)
  local is_json, message = pcall(cjson.decode, string.sub(held, 2))
  tell(whom(is_json and message), 'message.cancelled', id, int(wall_ms()), {'campaign', campaign, 'state', 'cancelled'})
end
