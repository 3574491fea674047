using Rosetta.Bench.Stage;
using Rosetta.Testing.Waiting;

namespace Rosetta.Bench.Peers;

/// <summary>What the source says about a slot.</summary>
static class Slots
{
    static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    public static Task WaitUntilFreeAsync(BenchDatabases databases, string slot, CancellationToken cancellationToken) =>
        WaitAsync(databases, slot, "NOT active", "to be free", cancellationToken);

    /// <summary>Waits until everything before the position has been confirmed: it is durable at the target.</summary>
    public static Task WaitUntilConfirmedAsync(BenchDatabases databases, string slot, string position, CancellationToken cancellationToken) =>
        WaitAsync(databases, slot, $"confirmed_flush_lsn >= '{position}'", $"to be confirmed up to {position}", cancellationToken);

    static Task WaitAsync(BenchDatabases databases, string slot, string condition, string what, CancellationToken cancellationToken) => Wait.UntilAsync(
        () => databases.Source.ScalarAsync<bool>(
            $"SELECT {condition} FROM pg_replication_slots WHERE slot_name = '{slot}'", BenchDatabases.SourceDatabase, cancellationToken),
        $"slot {slot} {what}", Deadline, cancellationToken);
}
