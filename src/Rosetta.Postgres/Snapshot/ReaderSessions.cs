using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Snapshot;

/// <summary>Sessions for the readers of a snapshot that is still to be made. Those that nobody took end with it.</summary>
public sealed class ReaderSessions : IAsyncDisposable
{
    readonly PgEndpoint _endpoint;
    readonly Queue<PgConnection> _open = new();

    ReaderSessions(PgEndpoint endpoint) => _endpoint = endpoint;

    /// <exception cref="PgException">Not reachable, or refused.</exception>
    public static async Task<ReaderSessions> OpenAsync(PgEndpoint endpoint, int count, CancellationToken cancellationToken)
    {
        var sessions = new ReaderSessions(endpoint);
        try
        {
            while (sessions._open.Count < count)
                sessions._open.Enqueue(await SnapshotSession.OpenAsync(endpoint, cancellationToken));
            return sessions;
        }
        catch
        {
            await sessions.DisposeAsync();
            throw;
        }
    }

    /// <summary>The next one, once it has run <paramref name="first"/>; the caller's from then on. Null: all have been taken.</summary>
    /// <exception cref="PgServerException">The statement failed.</exception>
    internal async ValueTask<PgConnection?> NextAsync(string first, CancellationToken cancellationToken)
    {
        if (!_open.TryDequeue(out var session))
            return null;
        try
        {
            await session.QueryAsync(first, cancellationToken);
            return session;
        }
        catch (PgException) when (session.IsBroken)
        {
            // The making of a slot may take hours, and a server may end who says nothing for so long.
            await session.DisposeAsync();
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }

        var anew = await SnapshotSession.OpenAsync(_endpoint, cancellationToken);
        try
        {
            await anew.QueryAsync(first, cancellationToken);
            return anew;
        }
        catch
        {
            await anew.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        while (_open.TryDequeue(out var session))
            await session.DisposeAsync();
    }
}
