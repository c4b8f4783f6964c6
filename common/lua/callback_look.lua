-- Callbacks for people. ARGV: from which id and to which (as ZRANGEBYLEX has it), most. Answers: waiting, under way, dead, counts (field, number ...),
-- hosts in trouble (name, failures, ms left ...; 64 of them), then of the dead ones in order: id, what was to be posted.
-- Parts: callbacks
local now, hosts = seen_ms(), {}
local trouble = call('HSCAN', key('callbacks:trouble'), 0, 'COUNT', 64)[2]
for i = 1, math.min(#trouble, 128), 2 do
  local failures, until_ms = trouble_of(trouble[i])
  for _, part in ipairs({trouble[i], failures, math.max(0, until_ms - now)}) do hosts[#hosts + 1] = part end
end
local dead, leased = call('ZCARD', key('callbacks:dead')), call('ZCOUNT', key('callbacks:leased'), int(now), '+inf')
local answer = {call('HLEN', key('callbacks:jobs')) - dead - leased, leased, dead, call('HGETALL', key('callbacks:counts')), hosts}
for _, id in ipairs(call('ZRANGEBYLEX', key('callbacks:dead'), ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])) do
  answer[#answer + 1] = id
  answer[#answer + 1] = call('HGET', key('callbacks:jobs'), id) or ''
end
return answer
