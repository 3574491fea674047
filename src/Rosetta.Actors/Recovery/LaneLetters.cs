using Rosetta.Core.DeadLetters;

namespace Rosetta.Actors.Recovery;

/// <summary>The parked changes of one lane.</summary>
/// <param name="Interval">How often they are looked at.</param>
/// <param name="Tries">After so many a change waits for somebody.</param>
public sealed record LaneLetters(IDeadLetterStore Store, DeadLetterQueue Queue, long Epoch, TimeSpan Interval, int Tries)
{
    public IParking Parking { get; } = new StoreParking(Store, Queue, Epoch, ParkingLimits.Default);
}
