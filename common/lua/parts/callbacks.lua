-- Callbacks: who is told what became of a message. What is to be posted is in `callbacks:jobs` by its id, from the step
-- that it tells of until it was taken or settled. `callbacks:of:<host>` has the ids of one host by when they are due (of
-- one under way: when its lease ends), `callbacks:hosts` when to look at each host, so that no host waits for another.
-- `callbacks:trouble` has the hosts that fail: how often in a row, until when nobody tries, and the id of the one that is out
-- as a trial meanwhile. `callbacks:dead` are those that were given up, all with one score, so that they are in the order of
-- their ids. Times are the org's own.
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
  local failures, until_ms, trial = string.match(call('HGET', key('callbacks:trouble'), host) or '', '^(%d+) (%d+) (.*)$')
  return tonumber(failures) or 0, tonumber(until_ms) or 0, trial or ''
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
-- Out of the dead ones: its text and what that says; nothing when somebody was faster, false for one without a URL that
-- `needs_url`. A worker keeps what it cannot read as it is, so that text has no reason, or one that nobody died of.
local function take_dead(id, needs_url)
  if not call('ZSCORE', key('callbacks:dead'), id) then return nil end
  local text = call('HGET', key('callbacks:jobs'), id) or ''
  local is_json, job = pcall(cjson.decode, text)
  if not is_json or type(job) ~= 'table' then job = {} end
  if needs_url and (type(job.url) ~= 'string' or job.url == '') then return false end
  call('ZREM', key('callbacks:dead'), id)
  local reason = type(job.failure) == 'table' and job.failure.reason
  local field = 'dead:' .. (type(reason) == 'string' and reason or '')
  if call('HEXISTS', key('callbacks:counts'), field) == 0 then field = 'dead:unreadable' end
  if call('HINCRBY', key('callbacks:counts'), field, -1) <= 0 then call('HDEL', key('callbacks:counts'), field) end
  return text, job
end
-- Where a callback waits: the key of its host's queue, which somebody looks at from now on, unless the host is in trouble;
-- and what its text begins with. Nothing when that key is none.
local function queue_for(to)
  local url, trace = string.match(to, '^(.*)\n(00%-%x+%-%x+%-%x+)$')
  local host = callback_host(url or to)
  local own = key('callbacks:of:' .. host)
  if type(redis.pcall('ZCARD', own)) == 'table' then return {} end
  local _, until_ms = trouble_of(host)
  if until_ms <= tonumber(callbacks.now) then call('ZADD', key('callbacks:hosts'), 'LT', callbacks.now, host)
  else call('ZADD', key('callbacks:hosts'), 'NX', int(until_ms), host) end
  return {key = own, head = '{"attempts":0,"since":' .. callbacks.wall .. ',"url":' .. cjson.encode(url or to) ..
    (trace and ',"trace":"' .. trace .. '"' or '') .. ',"type":"'}
end
-- Looked at once a step, when there is something to tell: may anything be kept, how much, and a number for the ids.
local function open_callbacks()
  callbacks = {now = int(now_ms()), wall = int(wall_ms()), queues = {}, texts = {}, count = 0}
  for name, command in pairs({jobs = 'HLEN', trouble = 'HLEN', counts = 'HLEN', settings = 'HLEN', hosts = 'ZCARD', dead = 'ZCARD'}) do
    if type(redis.pcall(command, key('callbacks:' .. name))) == 'table' then
      callbacks.is_broken = true
      return
    end
  end
  callbacks.room = (tonumber(call('HGET', key('callbacks:settings'), 'max') or nil) or CALLBACKS_MAX) -
    call('HLEN', key('callbacks:jobs')) + call('ZCARD', key('callbacks:dead'))
  callbacks.ids = 'cb_' .. callbacks.wall .. '_' .. int(call('HINCRBY', key('callbacks:counts'), 'steps', 1)) .. '_'
end
-- Queues one: nothing in here may stop the step that it is part of, so what cannot be kept is counted. `facts`: names and
-- values of what is told; the names of campaigns and templates come again and again, so their JSON is made once.
local function tell(to, what, id, at, facts, has_no_state)
  if to == '' then return end
  if not callbacks then open_callbacks() end
  local queue = not callbacks.is_broken and (callbacks.queues[to] or queue_for(to)) or {}
  if not queue.key then
    count('counts', 'callbacks_lost', 1)
    return
  end
  callbacks.queues[to] = queue
  if callbacks.room <= 0 then
    call('HINCRBY', key('callbacks:counts'), 'dropped', 1)
    return
  end
  local sequence = not has_no_state and redis.pcall('HINCRBY', key('message:' .. id), 'told', 1)
  if type(sequence) ~= 'number' then sequence = 1 end
  local parts = {queue.head, what, '","at":', at, ',"data":{"id":', cjson.encode(id), ',"sequence":', sequence}
  local texts = callbacks.texts
  for i = 1, #facts, 2 do
    local fact = facts[i + 1]
    if fact and fact ~= '' then
      local text = texts[fact]
      if text == nil then
        text = type(fact) == 'number' and int(fact) or #fact <= FACT_MAX and cjson.encode(fact)
        texts[fact] = text
      end
      local n = #parts
      if text then parts[n + 1], parts[n + 2], parts[n + 3], parts[n + 4] = ',"', facts[i], '":', text end
    end
  end
  parts[#parts + 1] = '}}'
  callbacks.count = callbacks.count + 1
  local job = callbacks.ids .. callbacks.count
  call('HSET', key('callbacks:jobs'), job, table.concat(parts))
  call('ZADD', queue.key, callbacks.now, job)
  callbacks.room = callbacks.room - 1
end
-- Of a message as it was in flight, with the letter of its list in front.
local function tell_cancelled(held, id, campaign)
  local is_json, message = pcall(cjson.decode, string.sub(held, 2))
  local has_state = redis.pcall('HEXISTS', key('message:' .. id), 'state') == 1
  tell(whom(is_json and message), 'message.cancelled', id, int(wall_ms()), {'campaign', campaign, 'state', 'cancelled'}, not has_state)
end
