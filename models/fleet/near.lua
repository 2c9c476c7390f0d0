-- Signatures of texts that are taken, and the bands by which near ones are found, as `evals/duplicates/near.py` does.
-- A text goes by the first eight bytes of its hash. Its signature stands in two halves, and each band in a bucket of a
-- few dozen, because Redis packs hashes of short values, and of no more than 128 of them, into a tenth of the memory.
-- `near` is {prefix, bytes of a band, bands, shingle}; a mark is 16 bytes of hash, the shingle's size, the signature.
local LANES, LOOKED_AT, LISTED = 128, 64, 512

local function near_of(prefix, rows, count, size)
  return {prefix = prefix .. rows .. 'x' .. count .. ':', rows = tonumber(rows), count = tonumber(count), size = tonumber(size)}
end

local function signature_of(near, mark)
  if near.count > 0 and #mark > 16 and string.byte(mark, 17) == near.size then
    return string.sub(mark, 18, 17 + LANES)
  end
end

local function signature_place(near, id)
  return near.prefix .. 's' .. string.format('%02x%02x', string.byte(id, 1, 2)), string.sub(id, 3, 8)
end

local function band_place(near, signature, band)
  local part = string.sub(signature, (band - 1) * near.rows + 1, band * near.rows)
  local first, second, third = string.byte(part, 1, 3)
  local bucket = string.format('%02x%02x%x', first, second or 0, (third or 0) % 4)
  return near.prefix .. 'b' .. bucket, string.char(band) .. part
end

local function equal_bytes(one, other, start)
  local count, a, b = 0, {string.byte(one, start, start + 63)}, {string.byte(other, 1, 64)}
  for at = 1, 64 do
    if a[at] == b[at] then
      count = count + 1
    end
  end
  return count
end

-- Calls `look` with each text that shares a band, and with how many bytes of the signatures are equal.
local function each_near(near, signature, look)
  local seen, count = {}, 0
  for band = 1, near.count do
    local ids = redis.call('HGET', band_place(near, signature, band))
    for at = (ids and #ids or 0) - 7, 1, -8 do -- the last taken first
      local id = string.sub(ids, at, at + 7)
      if not seen[id] and count < LOOKED_AT then
        seen[id], count = true, count + 1
        local place, field = signature_place(near, id)
        local halves = redis.call('HMGET', place, field .. 'a', field .. 'b')
        if halves[1] and halves[2] then
          look(id, equal_bytes(signature, halves[1], 1) + equal_bytes(signature, halves[2], 65))
        end
      end
    end
  end
end

local function add_near(near, mark)
  local signature, id = signature_of(near, mark), string.sub(mark, 1, 8)
  if not signature then
    return
  end
  local place, field = signature_place(near, id)
  if redis.call('HSET', place, field .. 'a', string.sub(signature, 1, 64), field .. 'b', string.sub(signature, 65)) == 0 then
    return
  end
  redis.call('PEXPIRE', place, LIFE)
  for band = 1, near.count do
    local bucket, part = band_place(near, signature, band)
    local ids = (redis.call('HGET', bucket, part) or '') .. id
    redis.call('HSET', bucket, part, string.sub(ids, -LISTED))
    redis.call('PEXPIRE', bucket, LIFE)
  end
end

local function remove_near(near, mark)
  local signature, id = signature_of(near, mark), string.sub(mark, 1, 8)
  if not signature then
    return
  end
  local place, field = signature_place(near, id)
  redis.call('HDEL', place, field .. 'a', field .. 'b')
  for band = 1, near.count do
    local bucket, part = band_place(near, signature, band)
    local ids, left = redis.call('HGET', bucket, part) or '', {}
    for at = 1, #ids, 8 do
      local other = string.sub(ids, at, at + 7)
      if other ~= id then
        left[#left + 1] = other
      end
    end
    if #left > 0 then
      redis.call('HSET', bucket, part, table.concat(left))
    else
      redis.call('HDEL', bucket, part)
    end
  end
end
