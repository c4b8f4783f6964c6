-- What is known of messages that were sent as most are, packed: keys are what costs memory, so messages of a generation
-- share hashes that stay listpacks. `track` has the generations that are kept, newest first, each named by the instant when it
-- began and with its number of shards, and how many messages the newest has. In `track:<generation>:<shard>` `p` and the 16
-- bytes of a provider's id lead to a record, since receipts come by that, and `m` and those of our id to a pointer. What many
-- messages have in common, campaign, channel and template, is in `track:names:<generation>` by number. Nothing in here is scanned, and all of it expires.
-- What is unusual is in `message:<id>` and `link:<provider's id>`, which stand before the record where there are both: ids that
-- are no UUIDs, messages that wait, died, or are told to a callback, late answers, failures. A record is made in the step
-- in which the one who had the message gives it up as sent, so a message that somebody has in hand is in none, and steps that
-- work on those need not look here. It moves into the hash when something unusual becomes known.
-- A record: which instants it has, attempts, number of its names, when it was sent, id, conversation's id or 16 NULs, and as
-- milliseconds from when it was sent: since when it could be sent; when it was accepted, queued, sent, delivered and read.
-- One that has moved into the hash leaves its id alone. A pointer: provider's id, correlation id or 16 NULs, person.
local TRACK_FULL = 32 -- messages for each shard when a generation is full: twice as many entries, which are looked through
local TRACK_SHARDS, TRACK_SHARDS_MAX, TRACK_NAMES_MAX, TRACK_GENERATIONS_MAX = 64, 1048576, 4096, 40
local LISTPACK_VALUE_MAX = 64 -- hash-max-listpack-value; with a longer one a shard becomes a table, which is dear
local RECORD_MIN, NO_ID = 42, '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
local sub, pack_bytes, unpack_bytes = string.sub, struct.pack, struct.unpack
-- What `track` says, once it was asked for, and of its generations those that were needed so far, mostly the newest alone.
local track_text, track_count, track_from, generations = nil, 0, 1, {}

-- The text of a UUID's bytes, as id_unpack in C.
local function id_text(bytes)
  return string.format('%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x', string.byte(bytes, 1, 16))
end
local function id_text_or_none(bytes) return bytes == NO_ID and '' or id_text(bytes) end
local function generation_of(began, shards)
  return {began = began, shards = shards, prefix = key('track:' .. began .. ':'), names_key = key('track:names:' .. began), names = {}}
end
-- The newest but so many that is kept; nil when there are no more.
local function generation_at(place)
  if not track_text then
    local was = redis.pcall('HMGET', key('track'), 'kept', 'count')
    track_text, track_count = was[1] or '', tonumber(was[2] or 0) or 0
  end
  while #generations < place do
    local began, shards, behind = string.match(track_text, '^(%d+) (%d+);()', track_from)
    if not began then return nil end
    generations[#generations + 1] = generation_of(began, tonumber(shards))
    track_from = behind
  end
  return generations[place]
end
-- Where a generation has what belongs to the 16 bytes at the end of this text.
local function shard_of(generation, field)
  local a, b, c, d = unpack_bytes('>I4I4I4I4', field, #field - 15)
  return generation.prefix .. int((a + 3 * b + 5 * c + 7 * d) % generation.shards)
end
-- The first that a generation has under this field, and which that is.
local function look_up(field)
  local place, generation = 1, generation_at(1)
  while generation do
    local text = redis.pcall('HGET', shard_of(generation, field), field)
    if type(text) == 'string' then return text, generation end
    place = place + 1
    generation = generation_at(place)
  end
end
-- Puts a record or a pointer where it belongs; false when it is too long, or somebody else's key is in the way. keep_ms: from a
-- step that writes there for the first time.
local function put(generation, field, text, keep_ms)
  local shard = shard_of(generation, field)
  if #text > LISTPACK_VALUE_MAX or type(redis.pcall('HSET', shard, field, text)) ~= 'number' then return false end
  if keep_ms then call('PEXPIRE', shard, keep_ms) end
  return true
end
-- Whether it is as long as what it says it has; somebody else may have written it.
local function is_record(text)
  local has, length = string.byte(text), RECORD_MIN
  while has and has > 0 do
    if has % 2 == 1 then length = length + 4 end
    has = math.floor(has / 2)
  end
  return #text == length
end
-- Campaign, channel and template by their number.
local function names_of(generation, number)
  local names = generation.names[number]
  if not names then
    local text = redis.pcall('HGET', generation.names_key, int(number))
    local campaign, channel, template = string.match(type(text) == 'string' and text or '', '^(.-)|(.-)|(.*)$')
    names = {campaign = campaign or '', channel = channel or '', template = template or ''}
    generation.names[number] = names
  end
  return names
end
-- What only some steps need, made when they do: every function that a script has costs each of its calls.
-- id_bytes: of a UUID, nil for any other text and for the nil UUID, as id_pack in C. read: a record, nil for what is none. write:
-- its text, nil when an instant does not fit. find: the record and the pointer of an id's bytes. fields: names and values of both
-- as they are in `message:<id>`. open: moves a record into that hash, unless there is one.
local unusual
local function track_unusual()
  if unusual then return unusual end
  local PARTS = {'since', 'accepted_at', 'queued_at', 'sent_at', 'delivered_at', 'read_at'} -- by bit of the first byte
  local function id_bytes(text)
    if #text ~= 36 then return nil end
    local bytes = string.gsub(string.gsub(text, '-', ''), '%x%x', function(hex) return string.char(tonumber(hex, 16)) end)
    return #bytes == 16 and bytes ~= NO_ID and id_text(bytes) == text and bytes or nil
  end
  local function write(record)
    local has, bit, texts = 0, 1, {}
    for _, part in ipairs(PARTS) do
      local after = record[part] and record[part] - record.at
      if after then
        if after <= -2147483648 or after >= 2147483648 then return nil end
        has = has + bit
        texts[#texts + 1] = pack_bytes('>i4', after)
      end
      bit = bit * 2
    end
    return pack_bytes('>BBI2I6', has, record.attempts, record.number, record.at) .. record.ids .. table.concat(texts)
  end
  local function read(text)
    if not is_record(text) then return nil end
    local has, attempts, number, at = unpack_bytes('>BBI2I6', text)
    local record = {attempts = attempts, number = number, at = at, ids = sub(text, 11, RECORD_MIN)}
    local from = RECORD_MIN + 1
    for _, part in ipairs(PARTS) do
      if has % 2 == 1 then
        record[part] = at + unpack_bytes('>i4', text, from)
        from = from + 4
      end
      has = math.floor(has / 2)
    end
    return record
  end
  local function find(bytes)
    local pointer, generation = look_up('m' .. bytes)
    local provider = pointer and 'p' .. sub(pointer, 1, 16)
    local text = provider and #provider == 17 and redis.pcall('HGET', shard_of(generation, provider), provider)
    local record = type(text) == 'string' and read(text)
    if not record then return nil end
    record.generation = generation
    return record, pointer
  end
  local function fields(record, pointer)
    local names = names_of(record.generation, record.number)
    local list = {'state', 'sent', 'at', int(record.at), 'campaign', names.campaign, 'attempts', int(record.attempts),
      'provider_id', id_text(pointer), 'conversation_id', id_text_or_none(sub(record.ids, 17)),
      'correlation_id', #pointer >= 32 and id_text_or_none(sub(pointer, 17, 32)) or '', 'channel', names.channel,
      'template', names.template, 'since', int(record.since or 0)}
    local furthest
    for _, part in ipairs(PARTS) do
      if record[part] and part ~= 'since' then
        list[#list + 1], list[#list + 2] = part, int(record[part])
        if part ~= 'accepted_at' then furthest = sub(part, 1, -4) end
      end
    end
    if furthest then list[#list + 1], list[#list + 2] = 'delivery', furthest end
    return list
  end
  local function open(bytes, keep_ms)
    local record, pointer = find(bytes)
    local message = key('message:' .. id_text(bytes))
    if not record or call('EXISTS', message) == 1 then return end
    call('HSET', message, unpack(fields(record, pointer)))
    call('PEXPIRE', message, keep_ms)
    put(record.generation, 'p' .. sub(pointer, 1, 16), bytes)
  end
  unusual = {id_bytes = id_bytes, write = write, read = read, find = find, fields = fields, open = open}
  return unusual
end
