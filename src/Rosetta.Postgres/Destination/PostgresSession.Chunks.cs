using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination;

// Tables that are copied by chunks: the apply notes what it changes in them, and their chunks land between two groups.
sealed partial class PostgresSession
{
    volatile Dictionary<TableName, KeyWatch> _watches = [];

    /// <inheritdoc/>
    public StreamedTransactions Streamed { get; } = new();

    public async Task<ITableChunks?> OpenChunksAsync(ChunkedCopy copy, CancellationToken cancellationToken)
    {
        var source = copy.Route.Source;
        var connection = await PgConnection.OpenAsync(_endpoint, cancellationToken: cancellationToken);
        try
        {
            var replicaRole = await SessionSettings.ApplyAsync(connection, cancellationToken);
            var known = _stored.GetValueOrDefault(source)?.Table;
            var resumes = !copy.Restart && known is { Copying: not null, Stop: null };
            if (await new ChunkTarget(connection, _row, _claims, replicaRole).MakeAsync(copy, resumes, cancellationToken) is not { } target)
            {
                await connection.DisposeAsync();
                return null;
            }

            var watch = new KeyWatch();
            SetWatch(source, watch);
            if (!resumes)
                Store(source, new StoredTable(
                    new DestinationTable(source, copy.Route.Target, copy.Since, null, 0) { Copying = new CopyingState(null, false, copy.Replace) }, [.. copy.Table.Columns], copy.Table.Table.Oid));
            return new TableChunks(
                connection, _row, copy, target, watch, Streamed, resumes ? known!.CopiedRows : 0, resumes ? known!.Copying! : new CopyingState(null, false, copy.Replace),
                () => _book.FindSource(source), state => Copied(source, state), () => SetWatch(source, null));
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

    void Copied(TableName source, (CopyingState? State, long Rows) now)
    {
        if (_stored.GetValueOrDefault(source) is { } stored)
            Store(source, stored with { Table = stored.Table with { Copying = now.State, CopiedRows = now.Rows } });
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
