namespace Rosetta.Actors.Recovery;

/// <summary>How much is parked at a destination.</summary>
/// <param name="Changes">As the destination records them.</param>
/// <param name="Bytes">Of their payloads in the store; looked at less often.</param>
/// <param name="Oldest">When the one that has been parked longest was; null: none is.</param>
public sealed record ParkedFigures(long Changes, long Bytes, DateTimeOffset? Oldest)
{
    public static readonly ParkedFigures None = new(0, 0, null);
}
