-- ARGV: 1 when workers may still come by. Forgets the campaign, all but two things for LIFE: what stands against suspects
-- that are pending, and, for workers that come by, the order to leave.
for _, task in ipairs(redis.call('SMEMBERS', k_dead)) do redis.call('HDEL', k_marks, task) end
for _, key in ipairs(KEYS) do
  if key ~= k_marks then redis.call('DEL', key) end
end
generation = ''
if ARGV[3] == '1' then
  redis.call('SET', k_order, 'drain')
  lasting(k_order)
end
lasting(k_marks)
return {now, generation}
