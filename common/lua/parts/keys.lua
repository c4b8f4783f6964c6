-- Idempotency keys, and who has opted out, for steps that put messages in.
-- The sets in which an idempotency key may be, the one of today first, and how long that one is kept. A campaign has one
-- for as long as it may be run again: one look-up a message. Others are in sets for thirds of the time that a key is
-- remembered, so that memory is given back a whole set at a time.
local function memory(campaign, dedup_ms, campaign_memory_ms)
  if campaign ~= '' then return {key('seen:campaign:' .. campaign)}, campaign_memory_ms end
  local width = math.max(1, math.ceil(dedup_ms / 3))
  local at = math.floor(seen_ms() / width)
  local sets = {}
  for i = 0, 3 do sets[i + 1] = key('seen:' .. (at - i)) end
  return sets, dedup_ms * 2
end
-- Where the first answers for the keys of a set are, which live as long as those. No set may have that name: a campaign's may
-- have colons in it.
local function answers_of(set) return key('answers' .. string.sub(set, #key('seen') + 1)) end
-- 1 for each message whose person has opted out: every `step`-th argument from `first` on, looked up at once, when there is
-- anybody at all.
local function opted_out(first, step)
  if call('SCARD', key('suppressed')) == 0 then return {} end
  local people = {}
  for i = first, #ARGV, step do people[#people + 1] = ARGV[i] end
  return call('SMISMEMBER', key('suppressed'), unpack(people))
end
-- True when the member is new to all of the sets; it is in the first from now on.
local function remember(sets, member)
  for i = 2, #sets do
    if call('SISMEMBER', sets[i], member) == 1 then return false end
  end
  return call('SADD', sets[1], member) == 1
end
