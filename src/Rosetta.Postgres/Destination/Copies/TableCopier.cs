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
    const long ProgressBytes = 4 << 20;

    public async Task<CopyOutcome> RunAsync(TableCopy copy, ICopySource source, CancellationToken cancellationToken)
    {
        await CopyTarget.PrepareAsync(connection, copy, cancellationToken);
        await connection.QueryAsync("BEGIN", cancellationToken);
        Failpoint.Hit(FailpointNames.CopyBegun);
        await claims.TakeAsync(connection, copy.Route, cancellationToken);
        var target = await CopyTarget.MakeAsync(connection, copy, source.ColumnNames, mayHaveRows: false, cancellationToken);
        var outcome = await LoadAsync(copy, target, source, cancellationToken);
        await connection.QueryAsync(
            StoredTables.StreamsSql(row, copy.Route.Source, copy.Route.Target, copy.Since, outcome.Rows, source.ColumnNames, copy.Table.Oid, copy.Transform), cancellationToken);
        Failpoint.Hit(FailpointNames.CopyBeforeCommit);
        await row.CommitAsync(connection, cancellationToken);
        Failpoint.Hit(FailpointNames.CopyAfterCommit);
        return outcome;
    }

    async Task<CopyOutcome> LoadAsync(TableCopy copy, CopyTarget target, ICopySource source, CancellationToken cancellationToken)
    {
        var names = source.ColumnNames;
        var format = copy.Format == CopyFormat.Binary ? " (FORMAT binary)" : "";
        var list = string.Join(", ", names.Select(SqlIdentifier.Quote));
        var table = target.Table.Name.ToSql();
        // In text form the target's own input functions read the values; a wider type takes them as they are.
        var staged = target.Casts.Count > 0 && copy.Format == CopyFormat.Binary;
        if (staged)
            await connection.QueryAsync(StageSql(target, names), cancellationToken);
        long bytes = 0;
        long reported = 0;
        await using var into = await connection.CopyInAsync(
            staged ? "COPY pg_temp.rosetta_copy FROM STDIN (FORMAT binary)" : $"COPY {table} ({list}) FROM STDIN{format}", cancellationToken);
        await foreach (var piece in source.ReadAsync(cancellationToken))
        {
            await into.WriteAsync(piece, cancellationToken);
            if (bytes == 0)
                Failpoint.Hit(FailpointNames.CopyHalf);
            bytes += piece.Length;
            if (bytes - reported < ProgressBytes)
                continue;
            reported = bytes;
            copy.Progress?.Report(new CopyProgress(source.Rows ?? EstimatedRows(copy, bytes), bytes));
        }

        var rows = (await into.CompleteAsync(cancellationToken)).RowCount;
        if (staged)
        {
            await connection.QueryAsync(
                $"INSERT INTO {table} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM pg_temp.rosetta_copy; DROP TABLE pg_temp.rosetta_copy", cancellationToken);
        }

        copy.Progress?.Report(new CopyProgress(rows, bytes));
        return new CopyOutcome(rows, bytes);
    }

    // The destination tells the number of rows at the end only. A source that does not count them is as good as its statistics.
    static long EstimatedRows(TableCopy copy, long bytes) =>
        copy.Table is { EstimatedBytes: > 0, EstimatedRows: > 0 }
            ? (long)Math.Min(copy.Table.EstimatedRows, (double)bytes / copy.Table.EstimatedBytes * copy.Table.EstimatedRows)
            : 0;

    static string StageSql(CopyTarget target, IReadOnlyList<string> names)
    {
        var columns = names.Select(n => $"{SqlIdentifier.Quote(n)} {target.Casts.GetValueOrDefault(n) ?? target.Table.Find(n)!.FullTypeSql}");
        return $"CREATE TEMP TABLE rosetta_copy ({string.Join(", ", columns)}) ON COMMIT DROP";
    }

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
