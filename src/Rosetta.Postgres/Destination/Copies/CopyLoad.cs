using Rosetta.Core.Destinations;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>Takes what COPY TO sent into a table as it is, or through a temporary table where values have to be cast; in the transaction that is open.</summary>
/// <param name="names">The columns that come.</param>
sealed class CopyLoad(PgConnection connection, CopyTarget target, IReadOnlyList<string> names, CopyFormat format)
{
    const long ProgressBytes = 4 << 20;

    PgCopyIn? _into;

    // In text form the target's own input functions read the values; a wider type takes them as they are.
    bool IsStaged => target.Casts.Count > 0 && format == CopyFormat.Binary;

    public long Bytes { get; private set; }

    string List => string.Join(", ", names.Select(SqlIdentifier.Quote));

    string Format => format == CopyFormat.Binary ? " (FORMAT binary)" : "";

    /// <summary>Sends all bytes.</summary>
    /// <param name="progress">Told the bytes so far, now and then.</param>
    public async ValueTask SendAsync(ICopySource source, Action<long>? progress, CancellationToken cancellationToken)
    {
        if (IsStaged)
            await connection.QueryAsync(StageSql, cancellationToken);
        var into = _into = await connection.CopyInAsync(
            IsStaged ? $"COPY pg_temp.rosetta_copy FROM STDIN{Format}" : $"COPY {target.Table.Name.ToSql()} ({List}) FROM STDIN{Format}", cancellationToken);
        var reported = 0L;
        await foreach (var piece in source.ReadAsync(cancellationToken))
        {
            await into.WriteAsync(piece, cancellationToken);
            if (Bytes == 0)
                Failpoint.Hit(FailpointNames.CopyHalf);
            Bytes += piece.Length;
            if (Bytes - reported < ProgressBytes)
                continue;
            reported = Bytes;
            progress?.Invoke(Bytes);
        }

        progress?.Invoke(Bytes);
    }

    /// <summary>Waits until the rows are in the table.</summary>
    /// <returns>Their number.</returns>
    public async ValueTask<long> EndAsync(CancellationToken cancellationToken)
    {
        await using var into = _into!;
        var rows = (await into.CompleteAsync(cancellationToken)).RowCount;
        if (IsStaged)
        {
            await connection.QueryAsync(
                $"INSERT INTO {target.Table.Name.ToSql()} ({List}) OVERRIDING SYSTEM VALUE SELECT {List} FROM pg_temp.rosetta_copy; DROP TABLE pg_temp.rosetta_copy", cancellationToken);
        }

        return rows;
    }

    /// <summary>Forgets what was sent and ends the transaction.</summary>
    public async ValueTask AbortAsync()
    {
        if (_into is not null)
            await _into.DisposeAsync();
        if (!connection.IsBroken && connection.TransactionStatus != PgTransactionStatus.Idle)
            await connection.QueryAsync("ROLLBACK", CancellationToken.None);
    }

    string StageSql
    {
        get
        {
            var columns = names.Select(n => $"{SqlIdentifier.Quote(n)} {target.Casts.GetValueOrDefault(n) ?? target.Table.Find(n)!.FullTypeSql}");
            return $"CREATE TEMP TABLE rosetta_copy ({string.Join(", ", columns)}) ON COMMIT DROP";
        }
    }
}
