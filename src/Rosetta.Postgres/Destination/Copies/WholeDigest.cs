using Rosetta.Core.Chunks;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>The digest of a whole table at the destination, in a REPEATABLE READ transaction that begins between two groups of the lane.</summary>
/// <param name="connection">Its own.</param>
sealed class WholeDigest(PgConnection connection, string sql, KeyWatch watch, StreamedTransactions streamed, Action close) : IWholeDigest
{
    public WatchMark Watch()
    {
        var mark = new WatchMark(watch.Mark, streamed.Count, 0);
        watch.Forget(mark.Keys);
        return mark;
    }

    public async Task<string?> PlaceAsync(TransactionSnapshot snapshot, WatchMark watched, CancellationToken cancellationToken)
    {
        if (!streamed.AreShownBy(snapshot, watched.Transactions))
            return "a transaction that is not visible yet was applied before";
        var changes = 0;
        if (!watch.TryRead(snapshot, watched.Keys, (_, _) => changes++) || changes > 0)
            return "the table was changed meanwhile";
        if (connection.TransactionStatus != PgTransactionStatus.Idle)
            await connection.QueryAsync("ROLLBACK", cancellationToken);
        // The first query takes the snapshot.
        await connection.QueryAsync("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1", cancellationToken);
        return null;
    }

    public async Task<BucketDigest> ReadAsync(CancellationToken cancellationToken) => DigestSql.ParseWhole(await connection.QueryAsync(sql, cancellationToken));

    public async ValueTask DisposeAsync()
    {
        close();
        await connection.DisposeAsync();
    }
}
