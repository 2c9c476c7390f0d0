-- Each known task is in exactly one place, so that what is in none of the others is leased.
local known, results, dead = redis.call('HLEN', k_tasks), redis.call('XLEN', k_results), redis.call('SCARD', k_dead)
local ready = redis.call('XLEN', k_ready) - (delivered(k_ready) or 0)
local suspect = redis.call('XLEN', k_suspects) - (delivered(k_suspects) or 0)
local bytes = 0
for _, key in ipairs(KEYS) do
  local used = redis.pcall('MEMORY', 'USAGE', key)
  if type(used) == 'number' then bytes = bytes + used end
end
local workers = {}
for _, name in ipairs(redis.call('ZRANGE', k_alive, 0, -1)) do
  local age = now - tonumber(redis.call('ZSCORE', k_alive, name))
  table.insert(workers, {name, age, redis.call('HGET', k_workers, name) or ''})
end
local leased = math.max(0, known - ready - suspect - results - dead)
local order = redis.call('GET', k_order) or 'run'
return {now, generation, ready + suspect, leased, suspect, dead, results, order, bytes, workers}
