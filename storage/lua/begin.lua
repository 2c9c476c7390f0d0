-- ARGV: manifest, order ('' keeps what stands)
if ARGV[4] ~= '' then redis.call('SET', k_order, ARGV[4]) end
touch()
redis.call('SET', k_manifest, ARGV[3])
lasting(unpack(KEYS))
return {now, generation}
