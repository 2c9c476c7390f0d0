-- Lengthens the claims that are still the caller's.  KEYS: claims.  ARGV: who asks, ms; with 0 ms they end.
for _, claim in ipairs(KEYS) do
  if redis.call('GET', claim) == ARGV[1] then
    if ARGV[2] == '0' then
      redis.call('DEL', claim)
    else
      redis.call('PEXPIRE', claim, ARGV[2])
    end
  end
end
return 0
