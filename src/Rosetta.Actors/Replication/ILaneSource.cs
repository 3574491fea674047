using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Replication;

/// <summary>What a lane asks of the pipeline's source, apart from the main stream.</summary>
public interface ILaneSource
{
    /// <summary>The source's catalog, for what a destination must know while it applies.</summary>
    ISourceSchema Schema { get; }

    /// <summary>
    /// Completes when the source has been taken over and its slot is known to be ours and whole; a lane does nothing before.
    /// </summary>
    Task WhenReady(CancellationToken cancellationToken);

    /// <summary>
    /// Where a destination that says it stands at <paramref name="position"/> goes on: there, or later when the slot was moved on over WAL that held
    /// nothing for it.
    /// </summary>
    /// <exception cref="Core.Errors.FaultException">A gap: changes this destination lacks can no longer be had from the slot.</exception>
    Task<Lsn> ResumeAtAsync(long destinationId, Lsn position, CancellationToken cancellationToken);

    /// <summary>Exports a snapshot and opens readers on it.</summary>
    /// <param name="waiting">Told what slot creation waits for (pid and query), null when it goes on.</param>
    /// <param name="held">A table that nothing may rewrite before it is read; null for none.</param>
    /// <exception cref="Core.Destinations.TableRewrittenException">The table could not be held in the short time that its users may be made to wait.</exception>
    Task<ITableSnapshot> ExportSnapshotAsync(long destinationId, int readers, Action<string?> waiting, TableName? held, CancellationToken cancellationToken);

    /// <summary>What a table has beside its columns and its key.</summary>
    Task<IReadOnlyList<TableExtra>> ReadExtrasAsync(TableName table, CancellationToken cancellationToken);

    /// <summary>Opens a reader of chunks.</summary>
    Task<IChunkSource> OpenChunksAsync(long destinationId, CancellationToken cancellationToken);

    /// <summary>
    /// Streams from <paramref name="from"/> over a temporary copy of the main slot until cancelled or failed.
    /// </summary>
    /// <exception cref="NoFreeSlotException">The source has no slot or sender to spare.</exception>
    Task StreamCopyAsync(long destinationId, Lsn from, IChangeConsumer consumer, CancellationToken cancellationToken);
}

/// <summary>No slot or walsender is free at the source for a stream of a lane's own.</summary>
public sealed class NoFreeSlotException(Exception cause)
    : Exception("The source has no replication slot or WAL sender to spare for a lane that catches up.", cause);

/// <summary>An exported snapshot with readers that have imported it.</summary>
public interface ITableSnapshot : IAsyncDisposable
{
    /// <summary>The consistent point: the snapshot has exactly the transactions with a commit LSN below.</summary>
    Lsn Since { get; }

    /// <summary>Each reads one table at a time; different ones at the same time.</summary>
    IReadOnlyList<ITableReader> Readers { get; }

    /// <summary>Describes many tables at once, so that the readers need not ask for each; called before they read.</summary>
    Task DescribeAsync(IReadOnlyList<TableName> tables, CancellationToken cancellationToken);
}

public interface ITableReader
{
    /// <summary>The table as it is in the snapshot; null when it is not there.</summary>
    Task<TableDescription?> DescribeAsync(TableName table, CancellationToken cancellationToken);

    /// <summary>The table's rows in the snapshot, and the form they come in.</summary>
    /// <param name="columns">The wanted columns; null for all.</param>
    /// <param name="filter">A condition in PostgreSQL's SQL; rows for which it does not hold are left out. Null for all rows.</param>
    (ICopySource Source, CopyFormat Format) Read(TableDescription table, IReadOnlyList<string>? columns, string? filter = null);

    /// <summary>What <see cref="ReadRange"/> reads of a table.</summary>
    ChunkTable InRanges(TableDescription table, IReadOnlyList<string>? columns);

    /// <summary>The table's rows after a key in the snapshot, so many at most.</summary>
    /// <param name="range">Told what they are, before the first of them.</param>
    ICopySource ReadRange(ChunkTable table, IReadOnlyList<string>? after, int rows, Action<ChunkRange> range);

    /// <summary>How many pages the table has, when it can be read in their order; null: only by its key.</summary>
    Task<PageMark?> FindPagesAsync(TableDescription table, CancellationToken cancellationToken);

    /// <summary>The table's rows on some of its pages in the snapshot.</summary>
    /// <param name="to">The first page that is not read; null: to the end.</param>
    ICopySource ReadPages(ChunkTable table, long from, long? to);
}
