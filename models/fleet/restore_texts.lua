-- Takes up texts that are kept for good.
-- ARGV: prefix of the buckets, bytes of a band, bands, shingle, then mark and owner of each.
local near = near_of(ARGV[1] .. 'n', ARGV[2], ARGV[3], ARGV[4])
for at = 5, #ARGV, 2 do
  local mark = ARGV[at]
  local bucket = ARGV[1] .. string.format('%02x%02x', string.byte(mark, 1, 2))
  redis.call('HSETNX', bucket, string.sub(mark, 3, 8), short(ARGV[at + 1]))
  redis.call('PEXPIRE', bucket, LIFE)
  add_near(near, mark)
end
return 0
