-- Putting sent messages into the newest generation of track.lua.
-- A new generation, with room for twice what the last one had. Those before it whose messages have all expired are forgotten:
-- the last one was written when the next one began.
local function begin_generation(at, keep_ms)
  local shards, kept, taken, place, next_began = TRACK_SHARDS, {}, {}, 1, math.huge
  while shards < TRACK_SHARDS_MAX and shards * TRACK_FULL < 2 * track_count do shards = shards * 2 end
  local older = generation_at(place)
  while older and #kept < TRACK_GENERATIONS_MAX - 1 do
    if next_began + keep_ms > at then kept[#kept + 1] = older end
    taken[older.began] = true
    next_began, place = tonumber(older.began), place + 1
    older = generation_at(place)
  end
  while taken[int(at)] do at = at + 1 end -- the clock was set back, or it is full in no time
  table.insert(kept, 1, generation_of(int(at), shards))
  local texts = {}
  for i, one in ipairs(kept) do texts[i] = one.began .. ' ' .. int(one.shards) .. ';' end
  call('HSET', key('track'), 'kept', table.concat(texts), 'count', 0)
  generations, track_count = kept, 0
  return kept[1]
end
-- The generation that messages go into now. One ends when it is an eighth of keep_ms old, or full.
local function current_generation(at, keep_ms)
  local newest = generation_at(1)
  if newest and math.abs(at - newest.began) < keep_ms / 8 and track_count < newest.shards * TRACK_FULL then return newest end
  return begin_generation(at, keep_ms)
end
-- The number of names, made when they are new and there is room. Nil when there is none.
local function number_of(generation, campaign, channel, template, keep_ms)
  local text = campaign .. '|' .. channel .. '|' .. template
  local number = redis.pcall('HGET', generation.names_key, '=' .. text)
  if type(number) == 'table' then return nil end
  if number then return tonumber(number) end
  number = call('HLEN', generation.names_key) / 2
  if number >= TRACK_NAMES_MAX then return nil end
  call('HSET', generation.names_key, '=' .. text, int(number), int(number), text)
  call('PEXPIRE', generation.names_key, int(2 * keep_ms)) -- beyond the last shard of its generation
  return number
end
