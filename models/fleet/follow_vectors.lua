-- Tells a process what it does not know of the log of vectors.  Returns {name of the log, from where on, entries}.
-- ARGV: prefix of the buckets, tag, the log that it knows, how much of it, how much is told at most.
local vectors = vectors_of(ARGV[1], ARGV[2])
local start = vectors.name == ARGV[3] and tonumber(ARGV[4]) or 0
return {vectors.name, start, redis.call('LRANGE', vectors.log, start, start + tonumber(ARGV[5]) - 1)}
