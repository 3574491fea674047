using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>Copies one table: target, rows, since and state in one transaction, which ends with the fence. What COPY TO sent goes in as it is.</summary>
sealed class TableCopier(PgConnection connection, PositionRow row, TableClaims claims)
{
    public async Task<CopyOutcome> RunAsync(TableCopy copy, ICopySource source, CancellationToken cancellationToken)
    {
        await CopyTarget.PrepareAsync(connection, copy, cancellationToken);
        await connection.QueryAsync("BEGIN", cancellationToken);
        Failpoint.Hit(FailpointNames.CopyBegun);
        await claims.TakeAsync(connection, copy.Route, cancellationToken);
        var merges = copy.EmptyFirst && copy.Route.Options.Merges(copy.Table);
        var target = await CopyTarget.MakeAsync(connection, copy, source.ColumnNames, mayHaveRows: merges, cancellationToken);
        var outcome = merges ? await MergeAsync(copy, target, source, cancellationToken) : await LoadAsync(copy, target, source, cancellationToken);
        await connection.QueryAsync(
            StoredTables.StreamsSql(row, copy.Route.Source, copy.Route.Target, copy.Since, outcome.Rows, source.ColumnNames, copy.Table.Oid, copy.Transform), cancellationToken);
        Failpoint.Hit(FailpointNames.CopyBeforeCommit);
        await row.CommitAsync(connection, cancellationToken);
        Failpoint.Hit(FailpointNames.CopyAfterCommit);
        await target.AnalyzeAsync(connection, cancellationToken);
        return outcome;
    }

    async Task<CopyOutcome> LoadAsync(TableCopy copy, CopyTarget target, ICopySource source, CancellationToken cancellationToken)
    {
        var load = new CopyLoad(connection, target, source.ColumnNames, copy.Format);
        try
        {
            await load.SendAsync(source, bytes => copy.Progress?.Report(new CopyProgress(source.Rows ?? EstimatedRows(copy, bytes), bytes)), cancellationToken);
            var rows = await load.EndAsync(cancellationToken);
            copy.Progress?.Report(new CopyProgress(rows, load.Bytes));
            return new CopyOutcome(rows, load.Bytes);
        }
        catch
        {
            await load.AbortAsync();
            throw;
        }
    }

    /// <summary>Rows that are there stay as far as the table's options say so: the copy goes beside them and is brought over as one chunk.</summary>
    async Task<CopyOutcome> MergeAsync(TableCopy copy, CopyTarget target, ICopySource source, CancellationToken cancellationToken)
    {
        if (!target.Table.PrimaryKey.SequenceEqual(copy.Table.PrimaryKey))
        {
            throw new FaultException(new Fault(
                ErrorClass.Table, $"{copy.Route.Target} has another primary key than {copy.Route.Source}, so rows that are to stay there cannot be told from those that are copied.",
                $"Give {copy.Route.Target.ToSql()} the same primary key, or empty it."));
        }

        var chunk = new ChunkedCopy(copy.Route, new ChunkTable(copy.Table, source.ColumnNames, copy.Format, null), true, true, copy.Since);
        var sql = new ChunkStatements(chunk, target);
        long bytes = 0;
        await connection.QueryAsync($"{sql.MakeStage} ON COMMIT DROP", cancellationToken);
        long rows;
        await using (var into = await connection.CopyInAsync(sql.CopyStage, cancellationToken))
        {
            await foreach (var piece in source.ReadAsync(cancellationToken))
            {
                await into.WriteAsync(piece, cancellationToken);
                bytes += piece.Length;
                copy.Progress?.Report(new CopyProgress(source.Rows ?? EstimatedRows(copy, bytes), bytes));
            }

            rows = (await into.CompleteAsync(cancellationToken)).RowCount;
        }

        await connection.QueryAsync("ANALYZE pg_temp.rosetta_chunk", cancellationToken);
        if (chunk.DeletesExtra)
            await connection.QueryAsync(sql.DeleteExtra(new ChunkRange(null, null), null, copy.Since), cancellationToken);
        await connection.QueryAsync($"{sql.UpdateDiffering(copy.Since)}; {sql.InsertMissing(copy.Since)}", cancellationToken);
        return new CopyOutcome(rows, bytes);
    }

    // The destination tells the number of rows at the end only. A source that does not count them is as good as its statistics.
    static long EstimatedRows(TableCopy copy, long bytes) =>
        copy.Table is { EstimatedBytes: > 0, EstimatedRows: > 0 }
            ? (long)Math.Min(copy.Table.EstimatedRows, (double)bytes / copy.Table.EstimatedBytes * copy.Table.EstimatedRows)
            : 0;

    /// <summary>What a failure of a copy means to whoever asked for it: a table's own error becomes a fault with a remedy.</summary>
    /// <param name="rights">SQL that grants what is missing, where that is the reason.</param>
    public static Exception Translate(PgServerException error, TableCopy copy, long pipelineId, string? rights)
    {
        var kind = ErrorPolicy.Classify(error.SqlState);
        if (error.IsFatal || kind is not (ErrorClass.Data or ErrorClass.Table))
            return error;
        var target = copy.Route.Target.ToSql();
        var first = rights ?? (error is { SqlState: "23502", Error.ColumnName: { } column }
            ? $"ALTER TABLE {target} ALTER COLUMN {SqlIdentifier.Quote(column)} DROP NOT NULL;"
            : $"Mend {target} at the destination.");
        return new FaultException(
            new Fault(
                ErrorClass.Table, $"Copying {copy.Route.Source} to {copy.Route.Target} failed: {error.Error.Text}", ResyncRemedy.For(pipelineId, copy.Route.Source, first), error.SqlState)
            {
                ForLog = $"Copying {copy.Route.Source} to {copy.Route.Target} failed: {error.Message}",
            },
            error);
    }
}
