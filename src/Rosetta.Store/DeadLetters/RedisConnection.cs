using Rosetta.Core.DeadLetters;
using StackExchange.Redis;

namespace Rosetta.Store.DeadLetters;

/// <summary>One connection to one Redis, made when it is first needed; once made it comes back by itself.</summary>
sealed class RedisConnection(string url) : IAsyncDisposable
{
    readonly ConfigurationOptions _options = RedisUrl.Parse(url);
    readonly SemaphoreSlim _connecting = new(1);
    ConnectionMultiplexer? _connection;

    /// <summary>Host, port and database, without the password.</summary>
    public string Where { get; } = Place(RedisUrl.Parse(url));

    /// <exception cref="DeadLetterStoreException">It is away, or refuses.</exception>
    public async Task<T> RunAsync<T>(Func<IDatabase, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            var connection = _connection ?? await ConnectAsync(cancellationToken).ConfigureAwait(false);
            // The library knows no tokens: a command that was sent is left to itself.
            return await work(connection.GetDatabase()).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (RedisFaults.IsOne(e))
        {
            // The library sends no writes to a replica, and says only that it has no connection for them.
            throw RedisFaults.ToException(Where, e, _connection is { IsConnected: true } connection && connection.GetServers().Any(s => s.IsReplica));
        }
    }

    public Task<RedisResult> RunAsync(string script, RedisKey[] keys, RedisValue[] values, CancellationToken cancellationToken) =>
        // Sent whole every time: a kilobyte, and never unknown to a server that was restarted.
        RunAsync(database => database.ScriptEvaluateAsync(script, keys, values, CommandFlags.NoScriptCache), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (_connection is { } connection) await connection.DisposeAsync().ConfigureAwait(false);
        _connecting.Dispose();
    }

    async Task<ConnectionMultiplexer> ConnectAsync(CancellationToken cancellationToken)
    {
        await _connecting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return _connection ??= await ConnectionMultiplexer.ConnectAsync(_options).ConfigureAwait(false);
        }
        finally
        {
            _connecting.Release();
        }
    }

    static string Place(ConfigurationOptions options)
    {
        var place = options.EndPoints[0] switch
        {
            System.Net.DnsEndPoint name => $"{name.Host}:{name.Port}",
            var other => other.ToString()!,
        };
        return $"{place}/{options.DefaultDatabase ?? 0}";
    }
}
