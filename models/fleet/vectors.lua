-- Vectors of texts that are taken, in the order in which they came: a log that each process follows, with an index of
-- its own over what it knows of it. An entry is the text's first eight bytes of hash, the sum of the squares in four,
-- and the vector, a byte a dimension, 128 for nothing; of a text that was freed, its eight bytes alone; and where the
-- vector of that stood, nothing. A mark's vector (`evals/duplicates/marks.py`) stands after the four bytes of `tag`.
local HEAD = 12

local function vectors_of(prefix, tag)
  if tag == '' then
    return
  end
  local key = prefix .. 'v' .. string.gsub(tag, '.', function(one) return string.format('%02x', string.byte(one)) end)
  local vectors = {prefix = prefix, tag = tag, log = key .. ':log', about = key .. ':about'}
  local said = redis.call('HMGET', vectors.about, 'name', 'width')
  vectors.name, vectors.width = said[1] or '', tonumber(said[2] or 0)
  return vectors
end

-- Begins a log of vectors of that length where there is none.
local function begin(vectors, name, width)
  if vectors.name == '' then
    redis.call('DEL', vectors.log)
    redis.call('HSET', vectors.about, 'name', name, 'width', width)
    vectors.name, vectors.width = name, width
  end
end

local function has_vector(vectors, mark)
  if not vectors or #mark <= 17 then
    return false
  end
  local start = 18 + (string.byte(mark, 17) > 0 and 128 or 0)
  return #mark > start + 3 and string.sub(mark, start, start + 3) == vectors.tag
end

-- Where it stands at which place of the log a text's vector is, after the beginning of the log's name: beside the text's
-- owner, for another key would take as much memory as ten of these.
local function vector_place(vectors, id)
  local bucket, field = vectors.prefix .. string.format('%02x%02x', string.byte(id, 1, 2)), string.sub(id, 3, 8) .. 'v'
  local said = redis.call('HGET', bucket, field)
  if said and string.sub(said, 1, 4) == string.sub(vectors.name, 1, 4) then
    return bucket, field, tonumber(string.sub(said, 5))
  end
  return bucket, field
end

-- The numbers of an entry, their sum, and the sum of their squares.
local function numbers_of(entry)
  local found, sum = {}, 0
  for at = HEAD + 1, #entry do
    local one = string.byte(entry, at) - 128
    found[at - HEAD], sum = one, sum + one
  end
  return {found = found, sum = sum, squares = struct.unpack('>I4', entry, 9)}
end

local function cosine(numbers, entry)
  local found, total, byte = numbers.found, 0, string.byte
  local size = #found
  for at = 1, size - 7, 8 do
    local a, b, c, d, e, f, g, h = byte(entry, HEAD + at, HEAD + at + 7)
    total = total + found[at] * a + found[at + 1] * b + found[at + 2] * c + found[at + 3] * d
      + found[at + 4] * e + found[at + 5] * f + found[at + 6] * g + found[at + 7] * h
  end
  for at = size - size % 8 + 1, size do
    total = total + found[at] * byte(entry, HEAD + at)
  end
  return (total - 128 * numbers.sum) / math.sqrt(numbers.squares * struct.unpack('>I4', entry, 9))
end

local function add_vector(vectors, entry)
  local bucket, field, place = vector_place(vectors, entry)
  if place then
    return
  end
  place = redis.call('RPUSH', vectors.log, entry) - 1
  redis.call('HSET', bucket, field, string.sub(vectors.name, 1, 4) .. place)
  redis.call('PEXPIRE', vectors.log, LIFE)
  redis.call('PEXPIRE', vectors.about, LIFE)
end

local function remove_vector(vectors, id)
  local bucket, field, place = vector_place(vectors, id)
  if not place then
    return
  end
  redis.call('HDEL', bucket, field)
  if string.sub(redis.call('LINDEX', vectors.log, place) or '', 1, 8) == id then
    redis.call('LSET', vectors.log, place, '')
    redis.call('RPUSH', vectors.log, id)
  end
end
