using Rosetta.Core.DeadLetters;

namespace Rosetta.Actors.Recovery;

/// <summary>The parked changes of one lane.</summary>
/// <param name="Interval">How often they are looked at.</param>
/// <param name="Tries">After so many a change waits for somebody.</param>
public sealed record LaneLetters(IDeadLetterStore Store, DeadLetterQueue Queue, long Epoch, TimeSpan Interval, int Tries)
{
    public RecoveryLimits Limits { get; init; } = RecoveryLimits.Default;

    /// <summary>What has been parked longer is told of.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Raises a notification that changes have been parked for longer than that.</summary>
    public Func<ParkedFigures, CancellationToken, Task> Notify { get; init; } = static (_, _) => Task.CompletedTask;

    public IParking Parking { get; } = new StoreParking(Store, Queue, Epoch, ParkingLimits.Default);
}
