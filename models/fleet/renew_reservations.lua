-- Lengthens reservations, and makes those anew that the server lost.
-- KEYS: account, reservations by expiry, reservations.  ARGV: ms to live, then id, tokens, money of each.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 2, #ARGV, 3 do
  local id = ARGV[at]
  if redis.call('HSETNX', KEYS[3], id, ARGV[at + 1] .. ' ' .. ARGV[at + 2]) == 1 then
    redis.call('HINCRBY', KEYS[1], 'held_tokens', ARGV[at + 1])
    redis.call('HINCRBY', KEYS[1], 'held_money', ARGV[at + 2])
  end
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[1]), id)
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, LIFE)
end
return 0
