using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Source;
using Rosetta.Postgres.Wire;

namespace Rosetta.Actors.Replication;

/// <summary>A snapshot exported by a temporary slot that is made for nothing else, with readers that have imported it.</summary>
sealed class PostgresTableSnapshot : ITableSnapshot
{
    readonly SnapshotWorkers _workers;

    PostgresTableSnapshot(SnapshotWorkers workers)
    {
        _workers = workers;
        Readers = [.. workers.Workers.Select(w => new Reader(w))];
    }

    public Lsn Since => _workers.Since;

    public IReadOnlyList<ITableReader> Readers { get; }

    /// <exception cref="NoFreeSlotException">No slot or walsender is free.</exception>
    public static async Task<PostgresTableSnapshot> ExportAsync(
        SourceDatabase database, string slot, int readers, Action<string?> waiting, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            // The temporary slot goes as soon as the readers have the snapshot: it would only keep WAL.
            await using var export = await SnapshotExport.CreateAsync(
                database, slot, isTemporary: true, waits: new Waiting(waiting), time: time, cancellationToken: cancellationToken).ConfigureAwait(false);
            return new PostgresTableSnapshot(await export.ImportAsync(readers, cancellationToken).ConfigureAwait(false));
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

    sealed class Reader(SnapshotWorker worker) : ITableReader
    {
        public Task<TableDescription?> DescribeAsync(TableName table, CancellationToken cancellationToken) => worker.DescribeAsync(table, cancellationToken);

        public (ICopySource Source, CopyFormat Format) Read(TableDescription table, IReadOnlyList<string>? columns)
        {
            var source = worker.CopyOut(table, columns);
            return (source, source.Format);
        }
    }
}
