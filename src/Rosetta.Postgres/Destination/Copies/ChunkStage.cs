using Rosetta.Core.Destinations;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Destination.Statements;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>A connection with a temporary table for a chunk's rows and one for the keys that were changed since.</summary>
sealed class ChunkStage(PgConnection connection, ChunkStatements sql, CopyTarget target) : IAsyncDisposable
{
    TablePlan? _windowOf;
    bool _isMade;

    public PgConnection Connection => connection;

    public async Task<long> FillAsync(ICopySource source, CancellationToken cancellationToken)
    {
        await connection.QueryAsync(_isMade ? "TRUNCATE pg_temp.rosetta_chunk" : sql.MakeStage, cancellationToken);
        _isMade = true;
        await using var into = await connection.CopyInAsync(sql.CopyStage, cancellationToken);
        await foreach (var piece in source.ReadAsync(cancellationToken))
            await into.WriteAsync(piece, cancellationToken);
        return (await into.CompleteAsync(cancellationToken)).RowCount;
    }

    /// <summary>The keys that the lane has changed, in a temporary table of the types that the stream sends.</summary>
    /// <param name="keys">From <see cref="KeyWindow.RowOf"/>.</param>
    public async ValueTask<KeyWindow> FillWindowAsync(TablePlan plan, IReadOnlyList<byte[]> keys, CancellationToken cancellationToken)
    {
        var window = new KeyWindow(plan, target);
        if (!ReferenceEquals(_windowOf, plan))
            await connection.QueryAsync($"DROP TABLE IF EXISTS pg_temp.rosetta_window; {window.MakeSql}", cancellationToken);
        _windowOf = plan;
        using var pipeline = connection.CreatePipeline();
        var into = pipeline.BeginCopyIn(KeyWindow.CopySql, out _);
        CopyRows.WriteHeader(into);
        foreach (var key in keys)
            CopyRows.WriteKey(into, key, plan.Key.Length + 1);
        CopyRows.WriteTrailer(into);
        into.Complete();
        (await pipeline.RunAsync(cancellationToken)).ThrowIfFailed();
        return window;
    }

    /// <summary>Ends what is open without keeping it. A window that was made in it is gone.</summary>
    public async ValueTask RollbackAsync()
    {
        _windowOf = null;
        if (!connection.IsBroken && connection.TransactionStatus != PgTransactionStatus.Idle)
            await connection.QueryAsync("ROLLBACK", CancellationToken.None);
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
