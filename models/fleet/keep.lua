-- Keeps a body, ends the claim on it, and drops what was used longest ago until all fit.
-- KEYS: bodies, last uses, bytes, claim.  ARGV: key, body, most bytes, ms to live, bytes a body costs beside its own.
-- Returns how many were dropped, or -1 when this body alone is larger than all may be.
local most, life, extra = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local size = string.len(ARGV[2]) + extra
if size > most then
  redis.call('DEL', KEYS[4])
  return -1
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local total = tonumber(redis.call('GET', KEYS[3]) or 0)
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  total = total - redis.call('HSTRLEN', KEYS[1], ARGV[1]) - extra
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) -- the first write, so that a full server refuses the whole
redis.call('DEL', KEYS[4])
redis.call('ZADD', KEYS[2], now, ARGV[1])
total = total + size
local dropped = 0
local function drop(key)
  total = total - redis.call('HSTRLEN', KEYS[1], key) - extra
  redis.call('HDEL', KEYS[1], key)
  redis.call('ZREM', KEYS[2], key)
  dropped = dropped + 1
end
-- A few of the expired at each put are enough: what comes in is never more than what may go out.
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - life, 'LIMIT', 0, 16)) do
  drop(key)
end
while total > most do
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not oldest or oldest == ARGV[1] then
    break
  end
  drop(oldest)
end
redis.call('SET', KEYS[3], total)
for number = 1, 3 do
  redis.call('PEXPIRE', KEYS[number], life)
end
return dropped
