using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination;

/// <summary>
/// Connections of a session that are kept for a moment after their use: a new one costs a server tens of milliseconds of CPU, and a first copy of many small
/// tables needs one for each. Thread-safe.
/// </summary>
/// <param name="open">Opens another one.</param>
sealed class SpareConnections(Func<CancellationToken, Task<PgConnection>> open, TimeProvider time) : IAsyncDisposable
{
    const int MostKept = 4;
    static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(3);

    readonly Lock _gate = new();
    readonly Stack<(PgConnection Connection, long Since)> _kept = [];
    ITimer? _timer;
    bool _isDisposed;

    /// <summary>One that nobody else uses; give it back, or dispose of it.</summary>
    public async ValueTask<PgConnection> TakeAsync(CancellationToken cancellationToken)
    {
        while (Pop() is { } spare)
        {
            try
            {
                // The server may have restarted, or somebody has ended it.
                await spare.QueryAsync("SELECT", cancellationToken);
                return spare;
            }
            catch (PgException)
            {
                await spare.DisposeAsync();
            }
        }

        return await open(cancellationToken);
    }

    PgConnection? Pop()
    {
        lock (_gate)
            return _kept.TryPop(out var spare) ? spare.Connection : null;
    }

    /// <summary>Keeps it for the next one, if it is as it was when it was opened.</summary>
    public ValueTask ReturnAsync(PgConnection connection)
    {
        lock (_gate)
        {
            if (!_isDisposed && _kept.Count < MostKept && connection is { IsBroken: false, TransactionStatus: PgTransactionStatus.Idle })
            {
                _kept.Push((connection, time.GetTimestamp()));
                _timer ??= time.CreateTimer(_ => CloseOld(), null, KeptFor, KeptFor);
                return ValueTask.CompletedTask;
            }
        }

        return connection.DisposeAsync();
    }

    void CloseOld()
    {
        List<PgConnection> old = [];
        lock (_gate)
        {
            var young = _kept.Where(k => time.GetElapsedTime(k.Since) < KeptFor).Reverse().ToList();
            old.AddRange(_kept.Select(k => k.Connection).Except(young.Select(k => k.Connection)));
            _kept.Clear();
            foreach (var kept in young)
                _kept.Push(kept);
            if (_kept.Count == 0)
            {
                _timer?.Dispose();
                _timer = null;
            }
        }

        // Closing says goodbye and waits for nothing; a connection that is lost already has nothing to say.
        foreach (var connection in old)
            _ = connection.DisposeAsync().AsTask();
    }

    public async ValueTask DisposeAsync()
    {
        List<PgConnection> all;
        lock (_gate)
        {
            _isDisposed = true;
            all = [.. _kept.Select(k => k.Connection)];
            _kept.Clear();
            _timer?.Dispose();
            _timer = null;
        }

        foreach (var connection in all)
            await connection.DisposeAsync();
    }
}
