namespace Rosetta.Actors.Spill;

/// <summary>What becomes of a destination whose spill log has come to its own end.</summary>
public enum SpillEnd
{
    /// <summary>Its log is let go and the destination stops until its tables are made equal again.</summary>
    Resync,

    /// <summary>Its log is not written any more; from there on it holds the slot.</summary>
    Hold,
}

/// <summary>How much of a lane is spilled.</summary>
/// <param name="Bytes">A spill log's size as it is stored, at most.</param>
/// <param name="Age">Of its oldest part, at most.</param>
public sealed record SpillLimits(long Bytes, TimeSpan Age, SpillEnd End)
{
    public static readonly SpillLimits Default = new(64L << 30, TimeSpan.FromDays(7), SpillEnd.Resync);
}
