-- Sets tokens and money aside for a call, or says why not. Money is in billionths of a US dollar.
-- KEYS: account, reservations by expiry, reservations.
-- ARGV: id ('' only looks), tokens, money, most tokens, most money, most ms (each '' for no limit), ms that a
--       reservation lives unrenewed, and what the caller last knew to be spent: tokens, money, ms.
-- Returns {verdict, tokens spent, money spent, ms}.
local id, tokens, money = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most_tokens, most_money, most_ms = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function minus(digits) -- as text: Lua writes its negative zero as -0, which Redis does not read
  return digits == '0' and '0' or '-' .. digits
end
local function number(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or 0)
end
-- A server that lost its memory learns from its workers what was spent.
for field, known in pairs({tokens = ARGV[8], money = ARGV[9]}) do
  if number(field) < tonumber(known) then
    redis.call('HSET', KEYS[1], field, known)
  end
end
redis.call('HSETNX', KEYS[1], 'began', now - tonumber(ARGV[10]))

for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  local held_tokens, held_money = string.match(redis.call('HGET', KEYS[3], dead) or '0 0', '(%d+) (%d+)')
  redis.call('HINCRBY', KEYS[1], 'held_tokens', minus(held_tokens))
  redis.call('HINCRBY', KEYS[1], 'held_money', minus(held_money))
  redis.call('HDEL', KEYS[3], dead)
  redis.call('ZREM', KEYS[2], dead)
end

local spent_tokens, spent_money, elapsed = number('tokens'), number('money'), now - number('began')
local verdict = 'reserved'
if most_ms and elapsed >= most_ms then
  verdict = 'time'
elseif most_tokens and spent_tokens + tokens > most_tokens then
  verdict = 'tokens'
elseif most_money and spent_money + money > most_money then
  verdict = 'usd'
elseif id ~= '' and redis.call('HEXISTS', KEYS[3], id) == 0 then
  if (most_tokens and spent_tokens + number('held_tokens') + tokens > most_tokens)
    or (most_money and spent_money + number('held_money') + money > most_money) then
    verdict = 'wait'
  else
    redis.call('HSET', KEYS[3], id, ARGV[2] .. ' ' .. ARGV[3])
    redis.call('ZADD', KEYS[2], now + tonumber(ARGV[7]), id)
    redis.call('HINCRBY', KEYS[1], 'held_tokens', ARGV[2])
    redis.call('HINCRBY', KEYS[1], 'held_money', ARGV[3])
  end
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, LIFE)
end
return {verdict, string.format('%.0f', spent_tokens), string.format('%.0f', spent_money), elapsed}
