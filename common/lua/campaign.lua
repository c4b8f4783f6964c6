-- The counters of one campaign. ARGV: campaign. Answers field, value ... (nothing: no such campaign).
return call('HGETALL', key('campaign:' .. ARGV[1]))
