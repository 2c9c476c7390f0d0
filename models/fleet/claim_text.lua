-- Takes a text for an owner, unless somebody has its like. Returns {who has it or '', how, how many bytes of its
-- signature the nearest has, the cosine of the nearest vector, and of the log of vectors its name, how much of it the
-- caller knew, and what came since}. How: 'exact', 'near', 'semantic', '' where it is new; 'behind' where the caller has to
-- follow the log first, 'width' (with the length of the log's vectors) where its vector is of another; nothing is taken then.
-- KEYS: what the owner holds.  ARGV: prefix of the buckets, owner, mark, bytes of a band, bands (0: none looked for),
-- shingle, equal bytes from which on a text is near, tag ('': no vectors), cosine from which on texts are one, the log
-- that the caller knows, how much of it, a name for a new log, the text's entry for it ('': without a vector), what the
-- caller found: eight bytes of a text's hash and eight of the cosine each, the nearest first; then owners whose texts do
-- not count.
-- Buckets of about a hundred hashes each are stored by Redis as packed lists: a tenth of the memory of one great hash.
local UNKNOWN = 64 -- entries of the log that are compared here: some ten microseconds each
local owner, mark = ARGV[2], ARGV[3]
local near = near_of(ARGV[1] .. 'n', ARGV[4], ARGV[5], ARGV[6])
local vectors = vectors_of(ARGV[1], ARGV[8])

local function holder_of(id)
  local bucket = ARGV[1] .. string.format('%02x%02x', string.byte(id, 1, 2))
  return redis.call('HGET', bucket, string.sub(id, 3, 8)), bucket
end

local function counts(holder)
  if holder == owner or holder == short(owner) then
    return false
  end
  local name = long(holder)
  for at = 15, #ARGV do
    if string.sub(ARGV[at], 1, #name) == name then
      return false
    end
  end
  return true
end

local function answer(twin, how, equal, likeness, name, start, entries)
  return {twin, how, equal or 0, string.format('%.9f', likeness or 0), name or '', start or 0, entries or {}}
end

local holder, bucket = holder_of(mark)
if holder and counts(holder) then
  return answer(long(holder), 'exact')
elseif holder and holder == short(owner) and holder ~= owner then
  return answer('', '') -- kept for good by this very owner
end
local twin, most, least = '', 0, tonumber(ARGV[7])
local signature = signature_of(near, mark)
if signature then
  each_near(near, signature, function(id, equal)
    local other = equal > most and holder_of(id)
    if other and counts(other) then
      most = equal
      twin = equal >= least and long(other) or ''
    end
  end)
  if twin ~= '' then
    return answer(twin, 'near', most)
  end
end
local entry, likeness, log, start, entries = ARGV[13], 0, '', 0, {}
if entry ~= '' then
  begin(vectors, ARGV[12], #entry - HEAD)
  log, start = vectors.name, vectors.name == ARGV[10] and tonumber(ARGV[11]) or 0
  if vectors.width ~= #entry - HEAD then
    return answer('', 'width', vectors.width)
  elseif redis.call('LLEN', vectors.log) - start > UNKNOWN then
    return answer('', 'behind')
  end
  for at = 1, #ARGV[14], 16 do
    local other = holder_of(string.sub(ARGV[14], at, at + 7))
    if other and counts(other) then
      likeness, twin = struct.unpack('>d', ARGV[14], at + 8), other
      break
    end
  end
  entries = redis.call('LRANGE', vectors.log, start, -1)
  local numbers = #entries > 0 and numbers_of(entry)
  for _, one in ipairs(entries) do
    local other = #one > HEAD and holder_of(string.sub(one, 1, 8))
    if other and counts(other) then
      local alike = cosine(numbers, one)
      if alike > likeness then
        likeness, twin = alike, other
      end
    end
  end
  if twin ~= '' and likeness >= tonumber(ARGV[9]) then
    return answer(long(twin), 'semantic', most, likeness, log, start, entries)
  end
end
if not holder then
  redis.call('HSET', bucket, string.sub(mark, 3, 8), owner)
  redis.call('PEXPIRE', bucket, LIFE)
end
if not holder or holder == owner then -- a text that one of the others has stays with that one
  add_near(near, mark)
  if entry ~= '' then
    add_vector(vectors, entry)
  end
  redis.call('SADD', KEYS[1], mark)
  redis.call('PEXPIRE', KEYS[1], LIFE)
end
return answer('', '', most, likeness, log, start, entries)
