-- Hands callbacks to a worker, each under a lease: without an end it is due again when that is over. ARGV: most at once,
-- most of one host, lease in ms, then for each host that has some under way in this worker: host, how many.
-- A host in trouble is tried with one. Answers: now, Redis' clock, when the next falls due or 0, how many were dropped so
-- far for want of room, then for each: id, host, what is to be posted.
-- Parts: callbacks
local HOSTS = 64 -- that are looked at; more than can have as many as they may under way
local most, most_of_host, lease_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
expect('HLEN', 'callbacks:jobs', 'callbacks:trouble', 'callbacks:counts')
expect('ZCARD', 'callbacks:hosts', 'callbacks:leased')
local now, busy, items = now_ms(), {}, {}
for i = 4, #ARGV, 2 do busy[ARGV[i]] = tonumber(ARGV[i + 1]) end
call('ZREMRANGEBYSCORE', key('callbacks:leased'), '-inf', now)
for _, host in ipairs(call('ZRANGEBYSCORE', key('callbacks:hosts'), '-inf', now, 'LIMIT', 0, HOSTS)) do
  local own = key('callbacks:of:' .. host)
  local failures = trouble_of(host)
  local is_trial = failures >= CALLBACK_TROUBLE
  local want = math.min(most - #items / 3, is_trial and 1 or most_of_host - (busy[host] or 0))
  if want > 0 then
    for _, id in ipairs(call('ZRANGEBYSCORE', own, '-inf', now, 'LIMIT', 0, want)) do
      local job = call('HGET', key('callbacks:jobs'), id)
      if job then
        call('ZADD', own, int(now + lease_ms), id)
        call('ZADD', key('callbacks:leased'), int(now + lease_ms), id)
        for _, part in ipairs({id, host, job}) do items[#items + 1] = part end
        if is_trial then call('HSET', key('callbacks:trouble'), host, int(failures) .. ' ' .. int(now + lease_ms) .. ' ' .. id) end
      else
        call('ZREM', own, id)
      end
    end
    look_at_host(host, now)
  end
end
local following = call('ZRANGEBYSCORE', key('callbacks:hosts'), '(' .. int(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local answer = {now, wall_ms(), following[2] and tonumber(following[2]) or 0, tonumber(call('HGET', key('callbacks:counts'), 'dropped') or 0)}
for _, part in ipairs(items) do answer[#answer + 1] = part end
return answer
