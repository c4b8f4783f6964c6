-- How far the audit is exported, for whoever looks at it.
-- What is neither there nor exported was cut off. How many there ever were Redis tells since version 7; before, none seems cut.
local function audit_depth(wall)
  local depth = {kept = call('XLEN', key('audit')), cut = 0, oldest_ms = -1}
  if call('EXISTS', key('audit')) == 0 then return depth end
  local info = call('XINFO', 'STREAM', key('audit'))
  local export = call('HMGET', key('audit:export'), 'seq', 'base')
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then
      depth.cut = math.max(0, info[i + 1] - depth.kept - (tonumber(export[1]) or 0) + (tonumber(export[2]) or 0))
    end
    if info[i] == 'first-entry' and info[i + 1] then
      depth.oldest_ms = math.max(0, wall - tonumber(string.match(info[i + 1][1], '^%d+')))
    end
  end
  return depth
end
