-- Dead letters. The documents are in `dead:letters` by ticket; `dead:index` is a stream whose ids are the tickets, oldest
-- first, with what letters are found by: reason, campaign, channel, code, id, when, bytes. `dead:counts` and
-- `dead:campaigns` are how many there are of each, changed in the same step, so that nobody has to count a million.
-- `dead:sent` has the tickets of those of which a late answer said that their message was sent after all.
local HOUR_MS = 3600000
local letter_sums = {reason = {}, channel = {}, hour = {}, campaign = {}}
local function expect_letters()
  expect('HLEN', 'dead:letters', 'dead:counts', 'dead:sent')
  expect('XLEN', 'dead:index')
  expect('ZCARD', 'dead:campaigns')
end
local function count_letter(reason, campaign, channel, at, by)
  local hour = math.floor(at / HOUR_MS)
  local sums_of = letter_sums
  sums_of.reason[reason] = (sums_of.reason[reason] or 0) + by
  sums_of.channel[channel] = (sums_of.channel[channel] or 0) + by
  sums_of.hour[hour] = (sums_of.hour[hour] or 0) + by
  sums_of.campaign[campaign] = (sums_of.campaign[campaign] or 0) + by
end
-- `at` is text, and so are other numbers in steps that many letters go through: each that is not would be printed anew
-- for every call.
local function keep_letter(document, reason, campaign, channel, code, id, at)
  local about = reason .. ' ' .. campaign .. ' ' .. channel .. ' ' .. code .. ' ' .. id .. ' ' .. at .. ' ' .. #document
  local ticket = call('XADD', key('dead:index'), '*', 'm', about)
  call('HSET', key('dead:letters'), ticket, document)
  count_letter(reason, campaign, channel, at, 1)
  return ticket
end
local function write_letter_counts()
  for _, what in ipairs({'reason', 'channel', 'hour'}) do
    for name, by in pairs(letter_sums[what]) do
      local field = what .. ':' .. (what == 'hour' and int(name) or name)
      if call('HINCRBY', key('dead:counts'), field, by) <= 0 then call('HDEL', key('dead:counts'), field) end
    end
  end
  for campaign, by in pairs(letter_sums.campaign) do
    if tonumber(call('ZINCRBY', key('dead:campaigns'), by, campaign)) <= 0 then call('ZREM', key('dead:campaigns'), campaign) end
  end
end
-- The channel of a message by what its payload says, else `none`. For steps that only have its text.
local CHANNELS = {sms = 'sms', whatsapp = 'whatsapp', open = 'open', webmessaging = 'web', apple = 'apple',
  ['messaging:sms'] = 'sms', ['messaging:whatsapp'] = 'whatsapp', ['messaging:facebook'] = 'facebook', ['messaging:web'] = 'web'}
local function channel_of(message)
  local payload = type(message.payload) == 'table' and message.payload or message
  local name = payload.toAddressMessengerType or payload.channelType
  return type(name) == 'string' and CHANNELS[name] or 'none'
end
local function name_or_none(text, most)
  return type(text) == 'string' and #text <= most and string.match(text, '^[%w._:-]+$') or ''
end
