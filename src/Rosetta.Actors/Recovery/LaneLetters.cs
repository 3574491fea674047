using Rosetta.Core.DeadLetters;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Jobs;

namespace Rosetta.Actors.Recovery;

/// <summary>The parked changes of one lane.</summary>
/// <param name="Backoff">When they are looked at, and how often they are tried.</param>
public sealed record LaneLetters(IDeadLetterStore Store, DeadLetterQueue Queue, long Epoch, RecoveryBackoff Backoff)
{
    public RecoveryLimits Limits { get; init; } = RecoveryLimits.Default;

    /// <summary>What has been parked longer is told of.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Raises a notification that changes have been parked for longer than that.</summary>
    public Func<ParkedFigures, CancellationToken, Task> Notify { get; init; } = static (_, _) => Task.CompletedTask;

    public IParking Parking { get; } = new StoreParking(Store, Queue, Epoch, ParkingLimits.Default);

    /// <summary>Null: nobody can order anything here.</summary>
    public RecoveryRecords? Records { get; init; }
}

/// <summary>What operators have ordered, and what of it must be told apart later.</summary>
public sealed record RecoveryRecords(RecoveryOrderRepository Orders, DeadLetterAudit Audit);
