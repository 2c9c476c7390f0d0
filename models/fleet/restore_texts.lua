-- Takes up texts that are kept for good.  ARGV: prefix of the buckets, then hash and owner of each.
for at = 2, #ARGV, 2 do
  local hash = ARGV[at]
  local bucket = ARGV[1] .. string.format('%02x%02x', string.byte(hash, 1, 2))
  redis.call('HSETNX', bucket, string.sub(hash, 3, 8), short(ARGV[at + 1]))
  redis.call('PEXPIRE', bucket, LIFE)
end
return 0
