-- ARGV: task, epoch, place, generation of the lease and result in turn. Answers 1 for what is kept, 0 for a lost lease.
-- A result from before the data were lost is kept as long as nobody has started the task anew.
open()
local answers = {}
for i = 3, #ARGV, 5 do
  local task, epoch, place, kept = ARGV[i], ARGV[i + 1], ARGV[i + 2], 0
  local at, kind, rest = look(task)
  local mine = at == epoch and kind and kind .. ':' .. rest == place
  local orphan = ARGV[i + 3] ~= generation and (not at or (at == '0' and streams[kind]))
  if mine or orphan then
    local entry = redis.call('XADD', k_results, '*', 't', task, 'r', ARGV[i + 4])
    if at then drop(kind, rest) end
    if orphan then place = 'r:' end
    redis.call('HSET', k_tasks, task, epoch .. ' f:' .. place .. ':' .. entry)
    kept = 1
  elseif at == epoch and kind == 'f' then
    -- asked twice: the answer to the first time was lost on its way
    kept = (string.sub(rest, 1, #place + 1) == place .. ':' or ARGV[i + 3] ~= generation) and 1 or 0
  end
  table.insert(answers, kept)
end
lasting(k_results, k_tasks)
return {now, generation, answers}
