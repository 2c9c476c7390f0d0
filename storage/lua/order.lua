-- ARGV: run, pause or drain
redis.call('SET', k_order, ARGV[3])
lasting(k_order)
return {now, generation}
