using System.Collections.Concurrent;
using NpgsqlTypes;
using Rosetta.Testing.Servers;

namespace Rosetta.Testing.Workloads;

/// <summary>
/// Watches that a replication slot never confirms more than a destination has made durable: each look reads the slot first and each
/// destination's position after it. Positions only grow, so a position below a slot value read before it is a loss in waiting.
/// </summary>
public sealed class SlotWatcher : Watcher
{
    static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    readonly ConcurrentDictionary<string, Func<CancellationToken, Task<ulong?>>> _destinations = new();
    readonly PolledServer _source;
    readonly string _sql;
    readonly string _slot;
    ulong _highest;

    SlotWatcher(string sourceConnectionString, string slot, TimeSpan interval, Action<string>? log)
        : base(interval, log)
    {
        _source = new PolledServer(sourceConnectionString, Timeout);
        _slot = slot;
        _sql = $"SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = {SqlName.Literal(slot)}";
    }

    /// <summary>The highest confirmed_flush_lsn seen; 0 when none was.</summary>
    public ulong HighestConfirmed => Volatile.Read(ref _highest);

    /// <summary>Starts with no destination; see <see cref="Watch"/>.</summary>
    public static SlotWatcher Start(string sourceConnectionString, string slot, TimeSpan? interval = null, Action<string>? log = null)
    {
        var watcher = new SlotWatcher(sourceConnectionString, slot, interval ?? TimeSpan.FromMilliseconds(50), log);
        watcher.Begin();
        return watcher;
    }

    /// <summary>
    /// From now on the slot may not pass this destination. The delegate gives its durable position (everything before it is applied),
    /// or null when it cannot be read now: the next position read is then held against the slot values seen meanwhile.
    /// </summary>
    public void Watch(string destination, Func<CancellationToken, Task<ulong?>> position) => _destinations[destination] = position;

    /// <summary>The slot may pass it from now on, e.g. because it was removed from the pipeline.</summary>
    public void Release(string destination) => _destinations.TryRemove(destination, out _);

    /// <summary>A new slot of the same name: what was confirmed on the old one does not count.</summary>
    public void Forget() => Volatile.Write(ref _highest, 0);

    /// <summary>
    /// A position read by SQL at a PostgreSQL destination: one row, one column of type pg_lsn, or bigint or numeric as a byte
    /// position. No row, NULL or an unreachable server: unknown.
    /// </summary>
    public static Func<CancellationToken, Task<ulong?>> SqlPosition(string connectionString, string sql)
    {
        var server = new PolledServer(connectionString, Timeout);
        return async cancellationToken =>
        {
            var rows = await server.TryQueryAsync(sql, cancellationToken);
            return rows is [[var value, ..], ..]
                ? value switch
                {
                    NpgsqlLogSequenceNumber lsn => (ulong)lsn,
                    long number => (ulong)number,
                    decimal number => (ulong)number,
                    DBNull => null,
                    string text => (ulong)NpgsqlLogSequenceNumber.Parse(text),
                    _ => throw new InvalidOperationException($"'{sql}' gave a {value.GetType().Name}, not a position")
                }
                : null;
        };
    }

    private protected override async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        var available = true;
        var rows = await _source.TryQueryAsync(_sql, cancellationToken);
        if (rows is [[string text]])
        {
            var confirmed = (ulong)NpgsqlLogSequenceNumber.Parse(text);
            if (confirmed > HighestConfirmed)
                Volatile.Write(ref _highest, confirmed);
        }
        else
            available = false;

        foreach (var (name, position) in _destinations)
        {
            var before = HighestConfirmed;
            if (await position(cancellationToken) is not { } applied)
                available = false;
            else if (applied < before && _destinations.ContainsKey(name))
            {
                Violation(
                    name,
                    $"slot {_slot} has confirmed {new NpgsqlLogSequenceNumber(before)}, destination {name} stands at "
                        + $"{new NpgsqlLogSequenceNumber(applied)}");
            }
        }
        return available;
    }

    private protected override Task CloseAsync() => _source.DisposeAsync().AsTask();
}
