-- Ends a reservation and books what the call did cost, once however often this comes.
-- KEYS: account, reservations by expiry, reservations, what this process settled last.
-- ARGV: id, tokens, money, ms to remember, number of this settlement in its process, how many are remembered.
local function minus(digits) -- as text: Lua writes its negative zero as -0, which Redis does not read
  return digits == '0' and '0' or '-' .. digits
end
local held = redis.call('HGET', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1]) -- first a write that needs no memory: after it a full server refuses none
if held then
  local held_tokens, held_money = string.match(held, '(%d+) (%d+)')
  redis.call('HINCRBY', KEYS[1], 'held_tokens', minus(held_tokens))
  redis.call('HINCRBY', KEYS[1], 'held_money', minus(held_money))
  redis.call('ZREM', KEYS[2], ARGV[1])
end
-- A process sends in order, and again only what was on its way: its last numbers tell every repetition. Packed as
-- integers they take 2 KB for each process, where every id of the last minutes would grow with the rate of calls.
if redis.call('SADD', KEYS[4], ARGV[5]) == 0 then
  return 0
end
redis.call('SREM', KEYS[4], ARGV[5] - ARGV[6])
redis.call('HINCRBY', KEYS[1], 'tokens', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'money', ARGV[3])
for number = 1, 3 do
  redis.call('PEXPIRE', KEYS[number], LIFE)
end
redis.call('PEXPIRE', KEYS[4], ARGV[4])
return 1
