-- Takes up what the store's books say was spent before. KEYS: account.  ARGV: tokens, money, ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for field, known in pairs({tokens = ARGV[1], money = ARGV[2]}) do
  if tonumber(redis.call('HGET', KEYS[1], field) or 0) < tonumber(known) then
    redis.call('HSET', KEYS[1], field, known)
  end
end
redis.call('HSET', KEYS[1], 'began', now - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], LIFE)
return 0
