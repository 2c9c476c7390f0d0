-- Returns the body kept under a key; 0 when there is none and the caller may ask the model;
-- or the milliseconds for which somebody else has said that he asks.
-- A server that has no memory left is no reason to stop: then nobody learns of the use or of the claim.
-- KEYS: bodies, last uses, claim.  ARGV: key, who asks, ms that his claim lasts.
local body = redis.call('HGET', KEYS[1], ARGV[1])
if body then
  local time = redis.call('TIME')
  redis.pcall('ZADD', KEYS[2], 'XX', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
  return body
end
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[2] then
  return math.max(1, redis.call('PTTL', KEYS[3]))
end
redis.pcall('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
return 0
