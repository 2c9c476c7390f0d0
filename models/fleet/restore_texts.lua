-- Takes up texts that are kept for good. Returns 0, or the length of the vectors that are there, where one is of another.
-- ARGV: prefix of the buckets, bytes of a band, bands, shingle, tag, a name for a new log, then mark, owner and entry for
-- the log (or '') of each.
local near = near_of(ARGV[1] .. 'n', ARGV[2], ARGV[3], ARGV[4])
local vectors = vectors_of(ARGV[1], ARGV[5])
for at = 7, #ARGV, 3 do
  local mark, owner, entry = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if entry ~= '' then
    begin(vectors, ARGV[6], #entry - HEAD)
    if vectors.width ~= #entry - HEAD then
      return vectors.width
    end
  end
  local bucket = ARGV[1] .. string.format('%02x%02x', string.byte(mark, 1, 2))
  redis.call('HSETNX', bucket, string.sub(mark, 3, 8), short(owner))
  redis.call('PEXPIRE', bucket, LIFE)
  add_near(near, mark)
  if entry ~= '' then
    add_vector(vectors, entry)
  end
end
return 0
