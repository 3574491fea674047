using Rosetta.Core.Destinations;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Destination.Statements;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>Where a chunk's rows are until it lands: in memory, or in a temporary table of a connection, which has one for the keys that were changed since, too.</summary>
sealed class ChunkStage(PgConnection connection, ChunkStatements sql, CopyTarget target) : IDisposable
{
    HeldRows? _memory;
    TablePlan? _windowOf;
    bool _isMade;

    public PgConnection Connection => connection;

    /// <summary>The rows, while they are in memory.</summary>
    public HeldRows? Held { get; private set; }

    /// <summary>Takes a chunk's rows.</summary>
    /// <param name="holds">They may stay in memory, as far as there is room.</param>
    /// <returns>Their number.</returns>
    public async Task<long> FillAsync(ICopySource source, bool holds, CancellationToken cancellationToken)
    {
        Held = null;
        var held = holds ? _memory ??= HeldRows.TryTake() : null;
        held?.Clear();
        PgCopyIn? into = held is null ? await BeginCopyAsync(cancellationToken) : null;
        try
        {
            await foreach (var piece in source.ReadAsync(cancellationToken))
            {
                if (into is null)
                {
                    if (held!.TryAdd(piece.Span))
                        continue;
                    into = await BeginCopyAsync(cancellationToken);
                    await into.WriteAsync(held.Bytes, cancellationToken);
                }

                await into.WriteAsync(piece, cancellationToken);
            }

            if (into is not null)
                return (await into.CompleteAsync(cancellationToken)).RowCount;
            Held = held;
            return source.Rows ?? BinaryRows.Count(held!.Bytes.Span);
        }
        finally
        {
            if (into is not null)
                await into.DisposeAsync();
        }
    }

    /// <summary>Takes the rows that are held to the temporary table.</summary>
    public async Task StageHeldAsync(CancellationToken cancellationToken)
    {
        await using var into = await BeginCopyAsync(cancellationToken);
        await into.WriteAsync(Held!.Bytes, cancellationToken);
        await into.CompleteAsync(cancellationToken);
        Held = null;
    }

    /// <summary>An empty temporary table.</summary>
    public async ValueTask ClearAsync(CancellationToken cancellationToken)
    {
        await connection.QueryAsync(_isMade ? "TRUNCATE pg_temp.rosetta_chunk" : sql.MakeStage, cancellationToken);
        _isMade = true;
    }

    async ValueTask<PgCopyIn> BeginCopyAsync(CancellationToken cancellationToken)
    {
        await ClearAsync(cancellationToken);
        return await connection.CopyInAsync(sql.CopyStage, cancellationToken);
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

    /// <summary>Gives the memory back; the connection is its owner's.</summary>
    public void Dispose()
    {
        Held = null;
        _memory?.Dispose();
        _memory = null;
    }
}
