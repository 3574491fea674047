using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Replication;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;

namespace Rosetta.Actors.Replication;

/// <summary>A snapshot exported by a temporary slot that is made for nothing else, with readers that have imported it.</summary>
sealed class PostgresTableSnapshot : ITableSnapshot
{
    /// <summary>How long statements that want to rewrite a held table may be made to wait for the snapshot, beyond the copy itself.</summary>
    static readonly TimeSpan HoldAtMost = TimeSpan.FromSeconds(2);

    readonly SnapshotWorkers _workers;
    readonly Dictionary<TableName, TableDescription> _described = [];

    PostgresTableSnapshot(SnapshotWorkers workers, PublicationFacts publications)
    {
        _workers = workers;
        Readers = [.. workers.Workers.Select(w => new Reader(w, publications, _described))];
    }

    public Lsn Since => _workers.Since;

    public IReadOnlyList<ITableReader> Readers { get; }

    public async Task DescribeAsync(IReadOnlyList<TableName> tables, CancellationToken cancellationToken)
    {
        foreach (var table in await _workers.Workers[0].DescribeManyAsync(tables, cancellationToken).ConfigureAwait(false))
            _described[table.Name] = table;
    }

    /// <param name="publications">What the stream names: a copy holds the rows and columns that they publish, and no others.</param>
    /// <exception cref="NoFreeSlotException">No slot or walsender is free.</exception>
    public static async Task<PostgresTableSnapshot> ExportAsync(
        SourceDatabase database, string slot, int readers, PublicationFacts publications, Action<string?> waiting, TableName? held, SpareSender spare, TimeProvider time,
        CancellationToken cancellationToken)
    {
        if (held is not { } table)
            return await MakeAsync(database, slot, readers, publications, waiting, null, spare, time, cancellationToken).ConfigureAwait(false);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(HoldAtMost);
        PgConnection? reserved = null;
        try
        {
            reserved = await ReserveAsync(database, table, limit.Token).ConfigureAwait(false);
            return await MakeAsync(database, slot, readers, publications, waiting, reserved, spare, time, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            if (reserved is not null)
                await reserved.DisposeAsync().ConfigureAwait(false);
            if (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
                throw new TableRewrittenException(table, e);
            throw;
        }
    }

    /// <summary>Null for a table that is gone or out of reach, which whoever reads it will find out.</summary>
    static async Task<PgConnection?> ReserveAsync(SourceDatabase database, TableName table, CancellationToken cancellationToken)
    {
        try
        {
            return await SnapshotExport.ReserveAsync(database, table, cancellationToken).ConfigureAwait(false);
        }
        catch (PgServerException e) when (e.SqlState is "42P01" or "3F000" or "42501")
        {
            return null;
        }
    }

    static async Task<PostgresTableSnapshot> MakeAsync(
        SourceDatabase database, string slot, int readers, PublicationFacts publications, Action<string?> waiting, PgConnection? reserved, SpareSender spare, TimeProvider time,
        CancellationToken cancellationToken)
    {
        try
        {
            // Their sessions come while the slot is made.
            await using var sessions = new OpenedAhead<ReaderSessions>(
                token => ReaderSessions.OpenAsync(database.Endpoint, reserved is null ? readers : readers - 1, token), cancellationToken);
            // The temporary slot goes as soon as the readers have the snapshot: it would only keep WAL.
            await using var export = await SnapshotExport.CreateAsync(
                database, slot, isTemporary: true, waits: new Waiting(waiting), time: time, walsender: await spare.TakeAsync(cancellationToken).ConfigureAwait(false), cancellationToken: cancellationToken).ConfigureAwait(false);
            return new PostgresTableSnapshot(await export.ImportAsync(await sessions.TakeAsync().ConfigureAwait(false), cancellationToken, reserved).ConfigureAwait(false), publications);
        }
        catch (PgServerException e) when (e.SqlState is "53400" or "53300")
        {
            throw new NoFreeSlotException(e);
        }
    }

    public ValueTask DisposeAsync() => _workers.DisposeAsync();

    sealed class Waiting(Action<string?> waiting) : IProgress<SlotCreationWait>
    {
        public void Report(SlotCreationWait value) => waiting(value.Describe());
    }

    sealed class Reader(SnapshotWorker worker, PublicationFacts publications, Dictionary<TableName, TableDescription> described) : ITableReader
    {
        public Task<TableDescription?> DescribeAsync(TableName table, CancellationToken cancellationToken) =>
            described.TryGetValue(table, out var known) ? Task.FromResult<TableDescription?>(known) : worker.DescribeAsync(table, cancellationToken);

        public (ICopySource Source, CopyFormat Format) Read(TableDescription table, IReadOnlyList<string>? columns, string? filter)
        {
            var published = publications.ColumnsOf(table.Name);
            var wanted = columns is null || published is null ? columns ?? published : [.. columns.Intersect(published)];
            var rows = publications.RowFilterOf(table.Name);
            var source = worker.CopyOut(table, wanted, rows is null || filter is null ? rows ?? filter : $"({rows}) AND ({filter})");
            return (source, source.Format);
        }

        public ChunkTable InRanges(TableDescription table, IReadOnlyList<string>? columns) => ChunkSource.TableOf(table, columns, publications);

        public ICopySource ReadRange(ChunkTable table, IReadOnlyList<string>? after, int rows, Action<ChunkRange> range) => worker.CopyRangeOut(table, after, rows, range);

        public Task<PageMark?> FindPagesAsync(TableDescription table, CancellationToken cancellationToken) => worker.FindPagesAsync(table, cancellationToken);

        public ICopySource ReadPages(ChunkTable table, long from, long? to) => worker.CopyPagesOut(table, from, to);
    }
}
