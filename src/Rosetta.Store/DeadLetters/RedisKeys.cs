using Rosetta.Core.DeadLetters;
using Rosetta.Core.Tables;
using StackExchange.Redis;

namespace Rosetta.Store.DeadLetters;

/// <summary>Names of keys. A stream's second part is a number, so the words of the others cannot be taken for one; its last is one too, so a table may hold colons.</summary>
sealed class RedisKeys(string prefix, Guid installation)
{
    public RedisKey Marker { get; } = $"{prefix}:store:{installation:N}";

    /// <summary>Shared by the pipelines of a source and a destination.</summary>
    public RedisKey Stream(DeadLetterQueue queue, TableName table) => $"{prefix}:{queue.SourceId}:{table}:{queue.DestinationId}";

    /// <summary>Hash: the epoch.</summary>
    public RedisKey Queue(DeadLetterQueue queue) => $"{prefix}:queue:{queue.PipelineId}:{queue.DestinationId}:{queue.Generation:N}";

    /// <summary>Sorted set: positions, each with its table behind it.</summary>
    public RedisKey All(DeadLetterQueue queue) => $"{Queue(queue)}:all";

    /// <summary>Set: tables that have entries.</summary>
    public RedisKey Tables(DeadLetterQueue queue) => $"{Queue(queue)}:tables";

    /// <summary>Sorted set: positions.</summary>
    public RedisKey Index(DeadLetterQueue queue, TableName table) => $"{Queue(queue)}:index:{table}";

    /// <summary>Hash: from a position to the stream's id, bytes, when it was parked, class, SQLSTATE.</summary>
    public RedisKey Meta(DeadLetterQueue queue, TableName table) => $"{Queue(queue)}:meta:{table}";

    /// <summary>Hash: from a position to the number of tries, the last one's time, class, SQLSTATE, error.</summary>
    public RedisKey Tries(DeadLetterQueue queue, TableName table) => $"{Queue(queue)}:tries:{table}";
}
