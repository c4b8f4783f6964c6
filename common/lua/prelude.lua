-- In front of every script. KEYS[1] is `herald:{org}`: its hash tag puts all keys of an org on one slot, so a script
-- may name the others itself. Time is Redis' own, so that skewed machines agree.
local function key(name) return KEYS[1] .. ':' .. name end
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
