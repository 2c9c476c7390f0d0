-- Takes a text for an owner; returns the other owner that holds it, or nothing.
-- KEYS: what the owner holds.  ARGV: prefix of the buckets, owner, 16-byte hash.
-- Buckets of about a hundred hashes each are stored by Redis as packed lists: a tenth of the memory of one great hash.
local owner, hash = ARGV[2], ARGV[3]
local bucket = ARGV[1] .. string.format('%02x%02x', string.byte(hash, 1, 2))
local field = string.sub(hash, 3, 8)
local holder = redis.call('HGET', bucket, field)
if not holder then
  redis.call('HSET', bucket, field, owner)
elseif holder == short(owner) and holder ~= owner then
  return false -- kept for good by this very owner
elseif holder ~= owner then
  return long(holder)
end
redis.call('SADD', KEYS[1], hash)
redis.call('PEXPIRE', KEYS[1], LIFE)
redis.call('PEXPIRE', bucket, LIFE)
return false
