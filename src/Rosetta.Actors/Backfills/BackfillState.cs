namespace Rosetta.Actors.Backfills;

/// <summary>Where a job is in its life. Pure: what its events make of it.</summary>
/// <param name="Destinations">Where it is carried out; null before it has begun.</param>
/// <param name="Resumes">How often another incarnation went on with it.</param>
public sealed record BackfillState(string Status, IReadOnlyList<long>? Destinations, int Resumes, string? Error)
{
    public static readonly BackfillState Pending = new("PENDING", null, 0, null);

    public bool HasEnded => Status is not ("PENDING" or "EXECUTING");

    public BackfillState Apply(object happened) => happened switch
    {
        BackfillEvents.Started started => this with { Status = "EXECUTING", Destinations = started.DestinationIds },
        BackfillEvents.Resumed => this with { Resumes = Resumes + 1 },
        BackfillEvents.Ended ended => this with { Status = ended.Status, Error = ended.Error },
        _ => this,
    };
}
