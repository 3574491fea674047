using Rosetta.Core.Chunks;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>Something to be done by chunks to a table that streams: rows brought again, compared, or repaired. At one destination.</summary>
/// <param name="Id">Names it; a backfill goes on where one of this name was.</param>
/// <param name="Condition">In the source's SQL, made of checked columns and quoted literals only; null for all rows.</param>
/// <param name="ChunkRows">Rows of a chunk, at most.</param>
/// <param name="Report">Told of its progress, and last of its end. From any thread; does not block.</param>
/// <param name="Enough">Cancelled: it ends after the chunk at hand, which is called off as a whole when it takes longer than a moment.</param>
public sealed record ChunkJob(
    string Id, TableName Table, ChunkPurpose Purpose, string? Condition, int ChunkRows, Action<ChunkJobReport> Report, CancellationToken Enough);

public enum ChunkJobState
{
    /// <summary>It waits for its turn or is under way; also over a failure of its destination, after which it goes on.</summary>
    Running,

    Completed,

    /// <summary>It cannot be done; <see cref="ChunkJobReport.Error"/> says why.</summary>
    Failed,

    Cancelled,
}

/// <summary>How far a job is at one destination.</summary>
/// <param name="Rows">Rows of the chunks that have landed, an earlier incarnation's included.</param>
/// <param name="Total">Rows there were to read at its start; null before they are counted.</param>
/// <param name="Inserted">Rows that were missing.</param>
/// <param name="Updated">Rows that differed.</param>
/// <param name="Deleted">Rows that only the destination had.</param>
/// <param name="AsOf">The lane's position at the last chunk.</param>
public sealed record ChunkJobReport(
    string Id, ChunkJobState State, long Rows, long? Total, long Inserted, long Updated, long Deleted, Lsn? AsOf, string? Error)
{
    /// <summary>Rows that were taken from the source to the destination.</summary>
    public long Carried { get; init; }

    /// <summary>Of a comparison or a repair: the first rows that differ.</summary>
    public IReadOnlyList<Core.Chunks.DifferingKey> Keys { get; init; } = [];

    /// <summary>Of a comparison of a table as a whole: that it differs, in words; null when it does not, or rows were told apart.</summary>
    public string? Difference { get; init; }

    /// <summary>Ranges that were compared by digests.</summary>
    public long Ranges { get; init; }
}
