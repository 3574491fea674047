using System.Collections.Concurrent;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using StackExchange.Redis;

namespace Rosetta.Store.DeadLetters;

/// <summary>
/// Dead letters in Redis Streams. What Redis does at once is in <see cref="RedisScripts"/>; which Redis it is, and whether it may have entries, is in the config
/// database (<see cref="StoreRecord"/>), so that one that was emptied or exchanged is never taken for one without entries.
/// </summary>
/// <param name="url">See <see cref="DeadLetterSettings.RedisUrl"/>.</param>
public sealed partial class RedisDeadLetterStore(string url, string prefix, StoreRecord record, TimeProvider? time = null) : IDeadLetterStore
{
    /// <summary>Of one script: Redis does nothing else meanwhile.</summary>
    internal const int ScriptEntries = 1_000;
    internal const int ScriptBytes = 8 << 20;

    /// <summary>How long it is believed to be as durable as it was.</summary>
    static readonly TimeSpan Belief = TimeSpan.FromMinutes(1);

    readonly RedisConnection _connection = new(url);
    readonly RedisKeys _keys = new(prefix, record.Installation);
    readonly ConcurrentDictionary<DeadLetterQueue, RedisQueue> _queues = new();
    readonly TimeProvider _time = time ?? TimeProvider.System;
    Guid? _identity;
    long? _judgedAt;

    public Task OpenAsync(DeadLetterQueue queue, long epoch, CancellationToken cancellationToken) => WithinAsync(
        queue,
        async own =>
        {
            var count = await WriteAsync(RedisScripts.Open, [_keys.Marker, _keys.Queue(queue), _keys.All(queue)], [], epoch, cancellationToken).ConfigureAwait(false);
            if (count > 0 && own.Marked != _identity) await MarkAsync(queue, own, epoch, cancellationToken).ConfigureAwait(false);
            if (count == 0) await UnmarkAsync(queue, own, epoch, cancellationToken).ConfigureAwait(false);
        },
        cancellationToken);

    public Task AppendAsync(DeadLetterQueue queue, long epoch, IReadOnlyList<DeadLetter> entries, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(entries);
        return entries.Count == 0 ? Task.CompletedTask : WithinAsync(
            queue,
            async own =>
            {
                await RequireDurabilityAsync(cancellationToken).ConfigureAwait(false);
                if (own.Marked is null || own.Marked != _identity) await MarkAsync(queue, own, epoch, cancellationToken).ConfigureAwait(false);
                foreach (var part in EntryParts.Of(entries, ScriptEntries, ScriptBytes))
                {
                    var tables = new TableNumbers();
                    var values = new List<RedisValue>(2 + (part.Count * RedisScripts.AppendStride)) { queue.PipelineId, queue.Generation.ToString() };
                    foreach (var entry in part) RedisEntry.AddTo(values, entry, tables.NumberOf(entry.Table));
                    await WriteAsync(
                        RedisScripts.Append,
                        [
                            _keys.Marker, _keys.Queue(queue), _keys.All(queue), _keys.Tables(queue),
                            .. tables.Names.SelectMany(t => new[] { _keys.Stream(queue, t), _keys.Index(queue, t), _keys.Meta(queue, t), _keys.Tries(queue, t) }),
                        ],
                        values, epoch, cancellationToken).ConfigureAwait(false);
                }
            },
            cancellationToken);
    }

    public async Task RecordTriesAsync(DeadLetterQueue queue, long epoch, IReadOnlyList<DeadLetterTry> tries, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        foreach (var part in TriedEntry.Of(tries).Chunk(ScriptEntries))
        {
            var tables = new TableNumbers();
            var values = new List<RedisValue>(part.Length * RedisScripts.TriesStride);
            foreach (var tried in part) RedisEntry.AddTo(values, tried, tables.NumberOf(tried.Last.Table));
            await WriteAsync(
                RedisScripts.Tries,
                [_keys.Marker, _keys.Queue(queue), .. tables.Names.SelectMany(t => new[] { _keys.Meta(queue, t), _keys.Tries(queue, t) })],
                values, epoch, cancellationToken).ConfigureAwait(false);
        }
    }

    public Task RemoveAsync(DeadLetterQueue queue, long epoch, TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(at);
        return at.Count == 0 ? Task.CompletedTask : WithinAsync(
            queue,
            async own =>
            {
                long? left = null;
                foreach (var part in at.Chunk(ScriptEntries))
                {
                    left = await WriteAsync(
                        RedisScripts.Remove,
                        [
                            _keys.Marker, _keys.Queue(queue), _keys.All(queue), _keys.Tables(queue), _keys.Stream(queue, table), _keys.Index(queue, table),
                            _keys.Meta(queue, table), _keys.Tries(queue, table),
                        ],
                        [table.ToString(), .. part.Select(p => (RedisValue)RedisEntry.Of(p))], epoch, cancellationToken).ConfigureAwait(false);
                }

                if (left == 0) await UnmarkAsync(queue, own, epoch, cancellationToken).ConfigureAwait(false);
            },
            cancellationToken);
    }

    public async Task ReplaceAsync(DeadLetterQueue queue, long epoch, TableName table, Position at, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        await RequireDurabilityAsync(cancellationToken).ConfigureAwait(false);
        var result = await RunAsync(
            RedisScripts.Replace, [_keys.Marker, _keys.Queue(queue), _keys.Stream(queue, table), _keys.Meta(queue, table)],
            [epoch, RedisEntry.Of(at), payload, payload.Length], cancellationToken).ConfigureAwait(false);
        if (Says(result, RedisScripts.Fenced)) throw new FencedException($"the Redis at {_connection.Where}", epoch);
        if (Says(result, RedisScripts.Gone)) throw new DeadLetterStoreException(StoreFaults.EntryLost(_connection.Where, _keys.Stream(queue, table)!));
    }

    public async Task NoteIfEmptyAsync(DeadLetterQueue queue, long epoch, CancellationToken cancellationToken)
    {
        if (await record.IsMarkedAsync(queue, cancellationToken).ConfigureAwait(false)) await OpenAsync(queue, epoch, cancellationToken).ConfigureAwait(false);
    }

    public async Task<Fault?> CheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            var durability = await RedisDurability.ReadAsync(_connection, cancellationToken).ConfigureAwait(false);
            if (durability.Judge(_connection.Where) is { } fault) return fault;
            await EstablishAsync(cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (DeadLetterStoreException e)
        {
            return e.Fault;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync().ConfigureAwait(false);
        foreach (var queue in _queues.Values) queue.Gate.Dispose();
    }

    async Task RequireDurabilityAsync(CancellationToken cancellationToken)
    {
        if (_judgedAt is { } judged && _time.GetElapsedTime(judged) < Belief) return;
        var durability = await RedisDurability.ReadAsync(_connection, cancellationToken).ConfigureAwait(false);
        if (durability.Judge(_connection.Where) is { } fault) throw new DeadLetterStoreException(fault);
        _judgedAt = _time.GetTimestamp();
    }

    /// <summary>Finds out which Redis this is, makes it the one in use, and gives one that has never been used an identity.</summary>
    async Task<Guid> EstablishAsync(CancellationToken cancellationToken)
    {
        _identity = null;
        var found = await record.FindAsync(cancellationToken).ConfigureAwait(false);
        var marker = await _connection.RunAsync(database => database.StringGetAsync(_keys.Marker), cancellationToken).ConfigureAwait(false);
        if (marker.IsNullOrEmpty)
        {
            if (found is { Kind: StoreKind.Redis, HasEntries: true }) throw new DeadLetterStoreException(StoreFaults.Lost(_connection.Where, found));
            // Never the one in the record: two Redises of one identity could not be told apart.
            await _connection.RunAsync(
                database => database.StringSetAsync(_keys.Marker, Guid.NewGuid().ToString(), null, When.NotExists), cancellationToken).ConfigureAwait(false);
            marker = await _connection.RunAsync(database => database.StringGetAsync(_keys.Marker), cancellationToken).ConfigureAwait(false);
        }

        var identity = Guid.Parse((string)marker!);
        await record.ClaimAsync(StoreKind.Redis, identity, _connection.Where, cancellationToken).ConfigureAwait(false);
        _identity = identity;
        return identity;
    }

    /// <summary>Before the first entry. The identity is looked at once more, so that a mark never stands for entries that were lost before it.</summary>
    async Task MarkAsync(DeadLetterQueue queue, RedisQueue own, long epoch, CancellationToken cancellationToken)
    {
        while (true)
        {
            var identity = await EstablishAsync(cancellationToken).ConfigureAwait(false);
            if (!await record.MarkAsync(queue, epoch, identity, cancellationToken).ConfigureAwait(false)) continue;
            own.Marked = identity;
            return;
        }
    }

    async Task UnmarkAsync(DeadLetterQueue queue, RedisQueue own, long epoch, CancellationToken cancellationToken)
    {
        await record.UnmarkAsync(queue, epoch, cancellationToken).ConfigureAwait(false);
        own.Marked = null;
    }

    /// <summary>Runs a script that ends with a number.</summary>
    async Task<long> WriteAsync(string script, RedisKey[] keys, IReadOnlyList<RedisValue> values, long epoch, CancellationToken cancellationToken)
    {
        var result = await RunAsync(script, keys, [epoch, .. values], cancellationToken).ConfigureAwait(false);
        return result.Resp2Type is ResultType.Integer ? (long)result : throw new FencedException($"the Redis at {_connection.Where}", epoch);
    }

    /// <summary>Runs a script, once more when the store turns out to be another one that may be used.</summary>
    /// <exception cref="DeadLetterStoreException">Its entries are lost; or it is away.</exception>
    async Task<RedisResult> RunAsync(string script, RedisKey[] keys, IReadOnlyList<RedisValue> values, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var identity = _identity ?? await EstablishAsync(cancellationToken).ConfigureAwait(false);
            var result = await _connection.RunAsync(script, keys, [identity.ToString(), .. values], cancellationToken).ConfigureAwait(false);
            if (!Says(result, RedisScripts.Lost)) return result;
            if (attempt == 2) throw new DeadLetterStoreException(StoreFaults.Lost(_connection.Where, null));
            await EstablishAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    async Task WithinAsync(DeadLetterQueue queue, Func<RedisQueue, Task> work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        var own = _queues.GetOrAdd(queue, _ => new RedisQueue());
        await own.Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await work(own).ConfigureAwait(false);
        }
        finally
        {
            own.Gate.Release();
        }
    }

    static bool Says(RedisResult result, string word) => result.Resp2Type is ResultType.BulkString or ResultType.SimpleString && (string?)result == word;
}
