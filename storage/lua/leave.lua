-- ARGV: worker
redis.call('ZREM', k_alive, ARGV[3])
redis.call('ZREM', k_quiet, ARGV[3])
redis.call('HDEL', k_workers, ARGV[3])
return {now, generation}
