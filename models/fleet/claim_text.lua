-- Takes a text for an owner, unless somebody has its like. Returns {who has it or '', 'exact', 'near' or '', and how many
-- bytes of its signature the nearest has}.
-- KEYS: what the owner holds.  ARGV: prefix of the buckets, owner, mark, bytes of a band, bands (0: equal texts only),
-- shingle, equal bytes from which on a text is near, then owners whose texts do not count.
-- Buckets of about a hundred hashes each are stored by Redis as packed lists: a tenth of the memory of one great hash.
local owner, mark = ARGV[2], ARGV[3]
local near = near_of(ARGV[1] .. 'n', ARGV[4], ARGV[5], ARGV[6])

local function holder_of(id)
  local bucket = ARGV[1] .. string.format('%02x%02x', string.byte(id, 1, 2))
  return redis.call('HGET', bucket, string.sub(id, 3, 8)), bucket
end

local function counts(holder)
  if holder == owner or holder == short(owner) then
    return false
  end
  local name = long(holder)
  for at = 8, #ARGV do
    if string.sub(ARGV[at], 1, #name) == name then
      return false
    end
  end
  return true
end

local holder, bucket = holder_of(mark)
if holder and counts(holder) then
  return {long(holder), 'exact', 0}
elseif holder and holder == short(owner) and holder ~= owner then
  return {'', '', 0} -- kept for good by this very owner
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
    return {twin, 'near', most}
  end
end
if not holder then
  redis.call('HSET', bucket, string.sub(mark, 3, 8), owner)
  redis.call('PEXPIRE', bucket, LIFE)
end
if not holder or holder == owner then -- a text that one of the others has stays with that one
  add_near(near, mark)
  redis.call('SADD', KEYS[1], mark)
  redis.call('PEXPIRE', KEYS[1], LIFE)
end
return {'', '', most}
