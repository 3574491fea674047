using Npgsql;
using Rosetta.Postgres.Replication;

namespace Rosetta.Postgres.Source;

/// <summary>What the making of a slot waits for: it starts only when every transaction that was running has ended.</summary>
/// <param name="Waited">Since it began.</param>
public sealed record SlotCreationWait(TimeSpan Waited, IReadOnlyList<SlotCreationBlocker> Blockers)
{
    /// <summary>For the pipeline's status: which processes, and what they run.</summary>
    public string Describe() =>
        $"Making the replication slot has been waiting for {Waited.TotalSeconds:F0} s for {string.Join("; ", Blockers.Select(Describe))}";

    /// <summary>SQL that ends the waiting; null for prepared transactions, which their owner must finish.</summary>
    public string? FixSql
    {
        get
        {
            var pids = Blockers.Where(b => b.ProcessId > 0).Select(b => FormattableString.Invariant($"SELECT pg_terminate_backend({b.ProcessId});")).ToList();
            return pids.Count == 0 ? null : string.Join('\n', pids);
        }
    }

    static string Describe(SlotCreationBlocker b) => b.ProcessId == 0
        ? "a prepared transaction (see pg_prepared_xacts)"
        : $"process {b.ProcessId} (role {b.User ?? "?"}, application '{b.ApplicationName ?? "?"}', {b.State ?? "state hidden"}, transaction open for "
            + $"{b.Age?.TotalSeconds ?? 0:F0} s): {b.Query ?? "query hidden"}";
}

/// <summary>Makes a slot and tells, as long as that takes, what it waits for.</summary>
public static class SlotCreationWatch
{
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    /// <param name="connection">The walsender that makes the slot; of no use any more when cancelled.</param>
    /// <param name="database">For looking from outside, by short sessions of their own.</param>
    /// <param name="waits">Told every two seconds while it waits.</param>
    public static async Task<CreatedSlot> CreateAsync(
        ReplicationConnection connection, SlotRequest request, SourceDatabase database, IProgress<SlotCreationWait>? waits, TimeProvider time,
        CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var creation = connection.CreateSlotAsync(request, cancellationToken).AsTask();
        while (!creation.IsCompleted && waits is not null)
        {
            await Task.WhenAny(creation, Task.Delay(Interval, time, cancellationToken));
            if (creation.IsCompleted)
                break;
            if (await FindAsync(connection.ProcessId, database, cancellationToken) is { Count: > 0 } blockers)
                waits.Report(new SlotCreationWait(time.GetElapsedTime(started), blockers));
        }

        return await creation;
    }

    static async Task<IReadOnlyList<SlotCreationBlocker>> FindAsync(int walsender, SourceDatabase database, CancellationToken cancellationToken)
    {
        try
        {
            await using var look = await database.OpenAsync(cancellationToken);
            return await SlotCreationBlockers.FindAsync(look, walsender, cancellationToken);
        }
        catch (NpgsqlException)
        {
            // Without a free connection nobody can look; the making itself goes on and tells its own failure.
            return [];
        }
        catch (OperationCanceledException)
        {
            return [];
        }
    }
}
