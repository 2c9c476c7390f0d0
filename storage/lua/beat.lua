-- ARGV: worker, what it says of itself, then task, epoch and place in turn. Renews what is still this worker's.
touch()
local worker = ARGV[3]
redis.call('ZADD', k_alive, now, worker)
redis.call('HSET', k_workers, worker, ARGV[4])
lasting(k_alive, k_workers)
redis.call('ZADD', k_quiet, 'XX', now, worker)
for i = 5, #ARGV, 3 do
  if redis.call('HGET', k_tasks, ARGV[i]) == ARGV[i + 1] .. ' ' .. ARGV[i + 2] then
    local kind, id = string.match(ARGV[i + 2], '^([rs]):(.*)$')
    redis.call('XCLAIM', streams[kind], group, worker, 0, id, 'JUSTID')
  end
end
return {now, generation, redis.call('GET', k_order) or 'run'}
