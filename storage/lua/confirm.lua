-- ARGV: task and entry of its result ('' when unknown) in turn. Forgets both.
for i = 3, #ARGV, 2 do
  local task = ARGV[i]
  local epoch, kind, rest = look(task)
  if kind == 'f' then
    redis.call('XDEL', k_results, string.match(rest, '([^:]*)$'))
  elseif kind then
    drop(kind, rest)
  end
  if ARGV[i + 1] ~= '' then redis.call('XDEL', k_results, ARGV[i + 1]) end
  redis.call('HDEL', k_tasks, task)
  redis.call('HDEL', k_work, task)
  redis.call('HDEL', k_marks, task)
  redis.call('SREM', k_dead, task)
end
return {now, generation}
