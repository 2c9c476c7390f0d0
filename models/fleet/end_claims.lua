-- Frees what an owner holds, or makes it the owner's for good.
-- KEYS: what the owner holds.  ARGV: prefix of the buckets, owner, 1 to keep or 0 to free, bytes of a band, bands,
-- shingle, tag.
local near = near_of(ARGV[1] .. 'n', ARGV[4], ARGV[5], ARGV[6])
local vectors = vectors_of(ARGV[1], ARGV[7])
for _, mark in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local bucket = ARGV[1] .. string.format('%02x%02x', string.byte(mark, 1, 2))
  local field = string.sub(mark, 3, 8)
  if redis.call('HGET', bucket, field) == ARGV[2] then
    if ARGV[3] == '1' then
      redis.call('HSET', bucket, field, short(ARGV[2]))
    else
      redis.call('HDEL', bucket, field)
      remove_near(near, mark)
      if has_vector(vectors, mark) then
        remove_vector(vectors, string.sub(mark, 1, 8))
      end
    end
  end
end
redis.call('DEL', KEYS[1])
return 0
