using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Replication;

/// <summary>
/// A walsender that has made a slot, kept for a moment: what follows a pipeline's first slot is mostly another one, for a snapshot, and a session costs the source
/// more than the slot. Thread-safe.
/// </summary>
public sealed class SpareSender(TimeProvider time) : IAsyncDisposable
{
    /// <summary>From a slot's making to the next one's the destinations are taken over.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(2);

    readonly Lock _gate = new();
    ReplicationConnection? _kept;
    ITimer? _timer;
    bool _isDisposed;

    /// <summary>It is ours from now on.</summary>
    public ValueTask KeepAsync(ReplicationConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        lock (_gate)
        {
            if (!_isDisposed && _kept is null && !connection.IsBroken)
            {
                _kept = connection;
                _timer = time.CreateTimer(_ => _ = CloseAsync().AsTask(), null, KeptFor, Timeout.InfiniteTimeSpan);
                return ValueTask.CompletedTask;
            }
        }

        return connection.DisposeAsync();
    }

    /// <summary>The one that is kept, if it is still good for something; it is the caller's from now on.</summary>
    public async ValueTask<ReplicationConnection?> TakeAsync(CancellationToken cancellationToken)
    {
        if (Pop() is not { } spare)
            return null;
        try
        {
            // The server may have restarted, or somebody has ended it.
            await spare.QueryAsync("SELECT", cancellationToken).ConfigureAwait(false);
            return spare;
        }
        catch (PgException)
        {
            await spare.DisposeAsync().ConfigureAwait(false);
            return null;
        }
        catch
        {
            await spare.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    ReplicationConnection? Pop()
    {
        lock (_gate)
        {
            var spare = _kept;
            _kept = null;
            _timer?.Dispose();
            _timer = null;
            return spare;
        }
    }

    ValueTask CloseAsync() => Pop()?.DisposeAsync() ?? ValueTask.CompletedTask;

    public ValueTask DisposeAsync()
    {
        lock (_gate)
            _isDisposed = true;
        return CloseAsync();
    }
}
