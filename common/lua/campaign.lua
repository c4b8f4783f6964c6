-- The counters of one campaign. ARGV: campaign. Answers field, value ... (nothing: no such campaign); its state as a number:
-- 0 running, 1 paused, 2 cancelled.
local numbers = {running = 0, paused = 1, cancelled = 2}
local all = call('HGETALL', key('campaign:' .. ARGV[1]))
for i = 1, #all, 2 do
  if all[i] == 'state' then all[i + 1] = numbers[all[i + 1]] or 0 end
end
return all
