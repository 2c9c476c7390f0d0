local rows = {}
for _, task in ipairs(redis.call('SMEMBERS', k_dead)) do
  table.insert(rows, {task, redis.call('HGET', k_marks, task) or ''})
end
return {now, generation, rows}
