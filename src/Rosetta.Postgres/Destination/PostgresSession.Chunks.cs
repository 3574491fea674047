using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Parking;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination;

// Tables that are copied by chunks: the apply notes what it changes in them, and their chunks land between two groups.
sealed partial class PostgresSession
{
    volatile Dictionary<TableName, KeyWatch> _watches = [];

    volatile IReadOnlySet<TableName> _pending = new HashSet<TableName>();

    /// <inheritdoc/>
    public IReadOnlySet<TableName> Pending
    {
        get => _pending;
        init => _pending = value;
    }

    void SetPending(TableName source, bool isPending)
    {
        lock (_states)
        {
            if (_pending.Contains(source) != isPending)
                _pending = isPending ? [.. _pending, source] : _pending.Where(p => p != source).ToHashSet();
        }
    }

    /// <inheritdoc/>
    public StreamedTransactions Streamed { get; } = new();

    public async Task<ITableChunks?> OpenChunksAsync(ChunkedCopy copy, CancellationToken cancellationToken)
    {
        var source = copy.Route.Source;
        var connection = await _spare.TakeAsync(cancellationToken);
        try
        {
            var replicaRole = HasReplicaRole;
            var known = _stored.GetValueOrDefault(source)?.Table;
            var isCopy = copy.Purpose == ChunkPurpose.Copy;
            if (!isCopy && known is not { Streams: true, Copying: null })
                throw new FaultException(NotStreaming(copy));
            var resumes = isCopy && !copy.Restart && known is { Copying: not null, Stop: null };
            if (await new ChunkTarget(connection, _row, _claims, replicaRole).MakeAsync(copy, resumes, known?.Copying is not null, cancellationToken) is not { } target)
            {
                await connection.DisposeAsync();
                return null;
            }

            var byBytes = await KeyOrder.ByBytesAsync(connection, copy.Table.Table, target.Table, cancellationToken);
            var sweep = copy.DeletesExtra && !KeyOrder.IsSame(copy.Table.Table) ? new KeySweep(copy, target, byBytes) : null;
            var watch = new KeyWatch();
            SetWatch(source, watch);
            var finished = copy.Job is { } job ? await BackfillProgress.LoadAsync(connection, _row, job, cancellationToken) : null;
            if (isCopy && !resumes)
            {
                _lot?.Copied(source);
                Store(source, new StoredTable(
                    new DestinationTable(source, copy.Route.Target, copy.Since, null, 0)
                    {
                        Copying = new CopyingState(null, false, copy.Replace), Transform = copy.Transform,
                    }, [.. copy.Table.Columns, .. copy.Route.Options.ColumnNames], copy.Table.Table.Oid));
            }

            return new TableChunks(
                connection, OpenAnotherAsync, _row, copy, target, sweep, known?.Copying is not null, watch, Streamed,
                new DirectLanding(copy, target, new ChunkStatements(copy, target), _row, known?.Copying is not null, byBytes), new Superseding(copy, target, _row, _lot), RefusedOf(copy, target, replicaRole),
                finished ?? (copy.Purpose == ChunkPurpose.Keys ? (new CopyingState(null, true, false), 0L) : resumes ? (known!.Copying!, known.CopiedRows) : (new CopyingState(null, false, copy.Replace), 0L)),
                () => _book.FindSource(source), state => Copied(source, copy, state), () => SetPending(source, false), () => SetWatch(source, null));
        }
        catch (PgServerException e) when (!e.IsFatal)
        {
            await connection.DisposeAsync();
            throw TableCopier.Translate(e, new TableCopy(copy.Route, copy.Table.Table, copy.Since, copy.Replace, copy.Table.Format, null), _opening.PipelineId, null);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    RefusedRows? RefusedOf(ChunkedCopy copy, CopyTarget target, bool replicaRole) => _lot is null || _opening.Parking is not { } parking || copy.Purpose == ChunkPurpose.Compare
        ? null
        : new RefusedRows(new RowParking(
            copy, target, new ChunkStatements(copy, target), _row, replicaRole, _lot, parking, () => Position, (rows, sqlState) => LogParked(_logger, copy.Route.Source, rows, 0, sqlState)));

    static Fault NotStreaming(ChunkedCopy copy) => new(
        ErrorClass.Table, $"Table {copy.Route.Source} does not stream to {copy.Route.Target} at the moment, so nothing can be compared with it or filled in.",
        "Wait until it streams; if it is in ERROR, resync it.");

    void Copied(TableName source, ChunkedCopy copy, (CopyingState? State, long Rows) now)
    {
        if (copy.Purpose == ChunkPurpose.Copy && _stored.GetValueOrDefault(source) is { } stored)
            Store(source, stored with { Table = stored.Table with { Copying = now.State, CopiedRows = now.Rows, LacksExtras = now.State is null } });
    }

    void SetWatch(TableName source, KeyWatch? watch)
    {
        lock (_states)
        {
            var watches = new Dictionary<TableName, KeyWatch>(_watches);
            if (watch is null)
                watches.Remove(source);
            else
                watches[source] = watch;
            _watches = watches;
        }
    }

    void NoteTransactions(ApplyGroup group)
    {
        foreach (var batch in group.Batches)
        {
            foreach (ref readonly var span in batch.Transactions)
            {
                if (span.StartsHere)
                    Streamed.Add(span.Xid);
            }
        }
    }
}
