-- Ends a reservation and books what the call did cost, once however often this comes.
-- KEYS: account, reservations by expiry, reservations, settled.  ARGV: id, tokens, money, ms to remember the id.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - tonumber(ARGV[4]))
if redis.call('ZADD', KEYS[4], 'NX', now, ARGV[1]) == 0 then
  return 0
end
local function minus(digits) -- as text: Lua writes its negative zero as -0, which Redis does not read
  return digits == '0' and '0' or '-' .. digits
end
local held = redis.call('HGET', KEYS[3], ARGV[1])
if held then
  local held_tokens, held_money = string.match(held, '(%d+) (%d+)')
  redis.call('HINCRBY', KEYS[1], 'held_tokens', minus(held_tokens))
  redis.call('HINCRBY', KEYS[1], 'held_money', minus(held_money))
  redis.call('HDEL', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
redis.call('HINCRBY', KEYS[1], 'tokens', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'money', ARGV[3])
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, LIFE)
end
return 1
