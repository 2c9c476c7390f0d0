-- Whether an owner holds a text with its vector already.  ARGV: prefix of the buckets, tag, owner, hash.
local vectors, id = vectors_of(ARGV[1], ARGV[2]), string.sub(ARGV[4], 1, 8)
local bucket, _, place = vector_place(vectors, id)
return place and redis.call('HGET', bucket, string.sub(id, 3, 8)) == ARGV[3] and 1 or 0
