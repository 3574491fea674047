namespace Rosetta.Store.DeadLetters;

/// <summary>
/// What is done at once inside Redis. Each begins with the marker of the store's identity; writes go on with the queue's epoch. Keys come as KEYS, all else as ARGV.
/// An entry lives in its table's stream; a sorted set per table and one per queue hold positions in order, a hash per table leads from a position to the stream's id and
/// makes it unique, another one holds tries.
/// </summary>
static class RedisScripts
{
    public const string Lost = "LOST";
    public const string Fenced = "FENCED";
    public const string Gone = "GONE";

    /// <summary>Consumer group of every stream.</summary>
    public const string Group = "recovery";

    /// <summary>KEYS: marker. ARGV: identity.</summary>
    const string Mine = $"if redis.call('GET', KEYS[1]) ~= ARGV[1] then return '{Lost}' end\n";

    /// <summary>KEYS: marker, queue. ARGV: identity, epoch.</summary>
    const string Newest =
        $$"""
        {{Mine}}
        local epoch = redis.call('HGET', KEYS[2], 'epoch')
        if epoch and tonumber(epoch) > tonumber(ARGV[2]) then return '{{Fenced}}' end

        """;

    /// <summary>KEYS: marker, queue. ARGV: identity, epoch.</summary>
    const string Fence =
        $$"""
        {{Newest}}
        if epoch ~= ARGV[2] then redis.call('HSET', KEYS[2], 'epoch', ARGV[2]) end

        """;

    /// <summary>KEYS: marker, queue, all. ARGV: identity, epoch. Gives the number of entries.</summary>
    public const string Open = $"{Fence}return redis.call('ZCARD', KEYS[3])";

    /// <summary>Values of an entry in ARGV.</summary>
    public const int AppendStride = 14;

    /// <summary>
    /// KEYS: marker, queue, all, tables; of each table stream, index, meta, tries. ARGV: identity, epoch, pipeline, generation; of each entry the number of its table, table,
    /// position, kind, key, class, error, sqlstate, parked at, xid, commit time, payload, bytes, tries.
    /// </summary>
    public const string Append =
        $$"""
        {{Fence}}
        for i = 5, #ARGV, 14 do
          local first = 5 + 4 * tonumber(ARGV[i])
          local stream, index, meta, tries = KEYS[first], KEYS[first + 1], KEYS[first + 2], KEYS[first + 3]
          local at = ARGV[i + 2]
          if redis.call('HEXISTS', meta, at) == 0 then
            if redis.call('EXISTS', stream) == 0 then redis.call('XGROUP', 'CREATE', stream, '{{Group}}', '0', 'MKSTREAM') end
            local id = redis.call('XADD', stream, '*', 'pipeline_id', ARGV[3], 'generation', ARGV[4], 'position', at, 'kind', ARGV[i + 3], 'key', ARGV[i + 4],
              'error_class', ARGV[i + 5], 'error', ARGV[i + 6], 'sqlstate', ARGV[i + 7], 'parked_at', ARGV[i + 8], 'xid', ARGV[i + 9], 'commit_time', ARGV[i + 10],
              'payload', ARGV[i + 11])
            redis.call('HSET', meta, at, id .. '|' .. ARGV[i + 12] .. '|' .. ARGV[i + 8] .. '|' .. ARGV[i + 5] .. '|' .. ARGV[i + 7])
            redis.call('ZADD', index, 0, at)
            redis.call('ZADD', KEYS[3], 0, at .. ARGV[i + 1])
            redis.call('SADD', KEYS[4], ARGV[i + 1])
            if ARGV[i + 13] ~= '' then redis.call('HSET', tries, at, ARGV[i + 13]) end
          end
        end
        return redis.call('ZCARD', KEYS[3])
        """;

    /// <summary>KEYS: marker, all or index. ARGV: identity, least member, how many.</summary>
    public const string Positions = $"{Mine}return redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], '+', 'LIMIT', 0, ARGV[3])";

    /// <summary>
    /// KEYS: marker, stream, meta, tries. ARGV: identity, bytes after which to stop, positions. Gives how many positions it has looked at, then of each entry that is there
    /// its position, fields and tries.
    /// </summary>
    public const string Fetch =
        $$"""
        {{Mine}}
        local found, size, looked = {0}, 0, 0
        for i = 3, #ARGV do
          local meta = redis.call('HGET', KEYS[3], ARGV[i])
          if meta then
            local id, bytes = string.match(meta, '^([^|]*)|(%d+)')
            if size > 0 and size + tonumber(bytes) > tonumber(ARGV[2]) then break end
            local entry = redis.call('XRANGE', KEYS[2], id, id)
            if #entry == 0 then return '{{Gone}}' end
            size = size + tonumber(bytes)
            found[#found + 1] = { ARGV[i], entry[1][2], redis.call('HGET', KEYS[4], ARGV[i]) or '' }
          end
          looked = looked + 1
        end
        found[1] = looked
        return found
        """;

    /// <summary>Values of a try in ARGV.</summary>
    public const int TriesStride = 7;

    /// <summary>
    /// KEYS: marker, queue; of each table meta, tries. ARGV: identity, epoch; of each try the number of its table, position, how many, when, class, sqlstate, error.
    /// </summary>
    public const string Tries =
        $$"""
        {{Fence}}
        for i = 3, #ARGV, 7 do
          local first = 3 + 2 * tonumber(ARGV[i])
          local at = ARGV[i + 1]
          local meta = redis.call('HGET', KEYS[first], at)
          if meta then
            local count, last = 0, -1
            local before = redis.call('HGET', KEYS[first + 1], at)
            if before then count, last = string.match(before, '^(%d+)|(%-?%d+)|') end
            if tonumber(ARGV[i + 3]) > tonumber(last) then
              redis.call('HSET', KEYS[first + 1], at,
                (tonumber(count) + tonumber(ARGV[i + 2])) .. '|' .. ARGV[i + 3] .. '|' .. ARGV[i + 4] .. '|' .. ARGV[i + 5] .. '|' .. ARGV[i + 6])
              redis.call('HSET', KEYS[first], at, string.match(meta, '^[^|]*|[^|]*|[^|]*|') .. ARGV[i + 4] .. '|' .. ARGV[i + 5])
            end
          end
        end
        return 0
        """;

    /// <summary>KEYS: marker, queue, all, tables, stream, index, meta, tries. ARGV: identity, epoch, table, positions. Gives the number of entries left in the queue.
    /// A Redis that is full refuses everything but what takes something out, which makes room: so the epoch comes last, and may be refused.</summary>
    public const string Remove =
        $$"""
        {{Newest}}
        for i = 4, #ARGV do
          local meta = redis.call('HGET', KEYS[7], ARGV[i])
          if meta then
            local id = string.match(meta, '^[^|]*')
            redis.call('XACK', KEYS[5], '{{Group}}', id)
            redis.call('XDEL', KEYS[5], id)
            redis.call('ZREM', KEYS[3], ARGV[i] .. ARGV[3])
            redis.call('ZREM', KEYS[6], ARGV[i])
            redis.call('HDEL', KEYS[7], ARGV[i])
            redis.call('HDEL', KEYS[8], ARGV[i])
          end
        end
        if redis.call('EXISTS', KEYS[7]) == 0 then redis.call('SREM', KEYS[4], ARGV[3]) end
        if epoch ~= ARGV[2] then redis.pcall('HSET', KEYS[2], 'epoch', ARGV[2]) end
        return redis.call('ZCARD', KEYS[3])
        """;

    /// <summary>
    /// KEYS: marker, queue, stream, meta. ARGV: identity, epoch, position, payload, bytes. An entry of a stream never changes: the one with the other payload takes its place.
    /// </summary>
    public const string Replace =
        $$"""
        {{Fence}}
        local meta = redis.call('HGET', KEYS[4], ARGV[3])
        if not meta then return 0 end
        local id, rest = string.match(meta, '^([^|]*)|%d+(|.*)$')
        local entry = redis.call('XRANGE', KEYS[3], id, id)
        if #entry == 0 then return '{{Gone}}' end
        local fields = entry[1][2]
        for i = 1, #fields, 2 do
          if fields[i] == 'payload' then fields[i + 1] = ARGV[4] end
        end
        local new = redis.call('XADD', KEYS[3], '*', unpack(fields))
        redis.call('XACK', KEYS[3], '{{Group}}', id)
        redis.call('XDEL', KEYS[3], id)
        redis.call('HSET', KEYS[4], ARGV[3], new .. '|' .. ARGV[5] .. rest)
        return 1
        """;

    /// <summary>KEYS: marker, tables. ARGV: identity.</summary>
    public const string Tables = $"{Mine}return redis.call('SMEMBERS', KEYS[2])";

    /// <summary>KEYS: marker, meta. ARGV: identity. Positions and what is noted of them, in turn.</summary>
    public const string Summary = $"{Mine}return redis.call('HGETALL', KEYS[2])";
}
