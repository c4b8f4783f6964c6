-- What reports count: by the hour and by the day of Redis' clock (UTC), in the hashes `report:hour:<hours since 1970>` and
-- `report:day:<days since 1970>`. A row is what has one campaign, channel and template: `=<campaign>|<channel>|<template>` holds its
-- number, and its sums are `<number>:<what>`. What: s sent, g segments, d delivered, r read, f failed, x<reason> dead; Q and
-- L milliseconds from enqueued to sent and from sent to delivered, q<bucket> and l<bucket> how often (common/latency.h).
-- A batch writes each sum once. Counting must not stop sending: a key that is no hash is left alone, and what could not be
-- counted there is counted as `unreported`.
local REPORT_HOUR_MS, REPORT_HOURS_KEPT_MS = 3600000, 40 * 24 * 3600 * 1000
local REPORT_ROWS = {hour = 200, day = 1000} -- more share the row `(other)` of their channel
local BUCKETS_PER_E = 1 / math.log(1.1)
local reported, ended = {}, {}
-- What the last message of the batch was like, since the next is mostly like it.
local row_of, end_of = {}, {}
-- The row of a message in the hour of `at`, for `tally`.
local function report_row(at, campaign, channel, template)
  if row_of.at == at and row_of.campaign == campaign and row_of.channel == channel and row_of.template == template then
    return row_of.row
  end
  local hour, name = math.floor(at / REPORT_HOUR_MS), campaign .. '|' .. (channel ~= '' and channel or 'none') .. '|' .. template
  local rows = reported[hour]
  if not rows then rows = {} reported[hour] = rows end
  local row = rows[name]
  if not row then row = {q = {}, l = {}} rows[name] = row end
  row_of = {at = at, campaign = campaign, channel = channel, template = template, row = row}
  return row
end
local function tally(row, what, by) row[what] = (row[what] or 0) + by end
-- How long something took: `sum` is Q or L, `each` q or l. What the clocks of two machines make negative took no time.
local function tally_latency(row, sum, each, ms)
  if ms < 1 then ms = 0 end
  local bucket, buckets = ms == 0 and 0 or math.floor(math.log(ms) * BUCKETS_PER_E) + 1, row[each]
  row[sum] = (row[sum] or 0) + ms
  buckets[bucket] = (buckets[bucket] or 0) + 1
end
-- A message came to an end at `at`: that is how rows of single messages are found, see `herald report --export`. It is
-- the one of now as long as what is known of it says the same instant. `bytes`: of an id that is a UUID, which takes half the room.
local function report_end(at, id, bytes)
  if id == '' then return end
  if end_of.at ~= at then
    local hour = math.floor(at / REPORT_HOUR_MS)
    ended[hour] = ended[hour] or {}
    local after = at % REPORT_HOUR_MS
    end_of = {at = at, list = ended[hour], text = int(after) .. ' ', packed = 'u' .. struct.pack('>I3', after)}
  end
  local list = end_of.list
  list[#list + 1] = bytes and end_of.packed .. bytes or end_of.text .. id
end
-- The number of a row, made when it is new and there is room. Nothing when the key cannot be used.
local function row_number(hash, name, most, until_ms)
  local number = redis.pcall('HGET', hash, '=' .. name)
  if type(number) == 'string' then return number end
  if number then return nil end
  local rows = tonumber(call('HGET', hash, 'rows') or 0) or most
  if rows >= most and string.sub(name, 1, 8) ~= '(other)|' then
    return row_number(hash, '(other)' .. string.match(name, '|.*|') .. '(other)', most, until_ms)
  end
  number = redis.pcall('HINCRBY', hash, 'rows', 1)
  if type(number) ~= 'number' then return nil end
  number = int(number)
  call('HSET', hash, '=' .. name, number)
  call('PEXPIREAT', hash, int(until_ms))
  return number
end
local function write_rows(kind, at, rows, until_ms)
  local hash, lost = key('report:' .. kind .. ':' .. int(at)), 0
  for name, sums_of in pairs(rows) do
    local number = row_number(hash, name, REPORT_ROWS[kind], until_ms)
    local function add(what, by)
      if not number or type(redis.pcall('HINCRBY', hash, number .. ':' .. what, int(by))) ~= 'number' then lost = lost + 1 end
    end
    for what, by in pairs(sums_of) do
      if type(by) == 'number' then add(what, by)
      else for bucket, times in pairs(by) do add(what .. int(bucket), times) end end
    end
  end
  return lost
end
-- Before write_counts. keep_ms: of single messages; report_ms: of days.
local function write_report(keep_ms, report_ms)
  local lost = 0
  for hour, rows in pairs(reported) do
    local day = math.floor(hour / 24)
    lost = lost + write_rows('hour', hour, rows, (hour + 1) * REPORT_HOUR_MS + math.min(REPORT_HOURS_KEPT_MS, report_ms))
    lost = lost + write_rows('day', day, rows, (day + 1) * 24 * REPORT_HOUR_MS + report_ms)
  end
  for hour, list in pairs(ended) do
    local name = key('ends:' .. int(hour))
    if type(redis.pcall('RPUSH', name, unpack(list))) ~= 'number' then lost = lost + 1
    else call('PEXPIREAT', name, int((hour + 1) * REPORT_HOUR_MS + keep_ms)) end
  end
  if lost > 0 then count('counts', 'unreported', lost) end
end
