-- ARGV: window, then task and body in turn. Answers 1, or 0 when the window has no room.
-- A task that was withdrawn while it was a suspect is one again.
touch()
local new = {}
for i = 4, #ARGV, 2 do
  if redis.call('HEXISTS', k_tasks, ARGV[i]) == 0 then table.insert(new, i) end
end
local known = redis.call('HLEN', k_tasks) - redis.call('SCARD', k_dead)
if #new > 0 and known + #new > tonumber(ARGV[3]) then return {now, generation, 0} end
local marked = redis.call('HLEN', k_marks) > 0
for _, i in ipairs(new) do
  local task = ARGV[i]
  redis.call('HSET', k_work, task, ARGV[i + 1])
  if redis.call('HEXISTS', k_tasks, task) == 0 then
    if marked and redis.call('HEXISTS', k_marks, task) == 1 then
      move(task, '0', '', '', 's', tonumber(mark_of(task).group) or 1)
    else
      move(task, '0', '', '', 'r')
    end
  end
end
lasting(k_work, k_tasks)
return {now, generation, 1}
